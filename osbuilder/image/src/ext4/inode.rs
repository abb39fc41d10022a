//! The 256 bytes of an inode.
//!
//! It must not know where the inode lies nor who laid out its blocks.

use rootfs::{Inode, Kind};

use super::extent;
use super::layout::Place;
use super::xattr::INODE_FIXED;
use super::{BlockSize, INODE_SIZE, low16, low32, set};
use crate::error::ImageError;
use crate::linux;

/// Block map is an extent tree.
const FLAG_EXTENTS: u32 = 0x8_0000;
/// Bytes of the fixed part beyond the original 128.
const EXTRA_SIZE: u16 = 32;

/// What an inode says besides the tree's own words.
pub(super) struct Record<'a> {
    pub(super) path: &'a str,
    pub(super) inode: &'a Inode,
    pub(super) links: u64,
    /// Bytes in blocks.
    pub(super) size: u64,
    pub(super) place: &'a Place,
    /// What follows the fixed part.
    pub(super) xattrs: &'a [u8],
    pub(super) created: i64,
    pub(super) block: BlockSize,
}

impl Record<'_> {
    pub(super) fn encode(&self) -> Result<[u8; INODE_SIZE], ImageError> {
        let mut bytes = [0u8; INODE_SIZE];
        let inode = self.inode;
        let (map, size) = self.map()?;
        let blocks: u64 = self.place.extents.iter().map(|extent| u64::from(extent.length)).sum();
        let extra = self.place.leaves.len() as u64 + u64::from(self.place.xattr_block.is_some());
        let sectors = (blocks + extra) * (self.block.bytes() / 512);
        let extents = matches!(inode.kind, Kind::File(_) | Kind::Directory) || blocks > 0;
        let flags = if extents { FLAG_EXTENTS } else { 0 };
        let (time, time_extra) = time(inode.mtime);
        let (created, created_extra) = self::time(self.created);
        let mode = low16(u64::from(linux::type_bits(&inode.kind) | (inode.mode & 0o7777)));
        let (uid, gid) = (u64::from(inode.uid), u64::from(inode.gid));
        let attribute_block = self.place.xattr_block.unwrap_or_default();

        set(&mut bytes, 0, &mode.to_le_bytes());
        set(&mut bytes, 2, &low16(uid).to_le_bytes());
        set(&mut bytes, 4, &low32(size).to_le_bytes());
        // Access, change and modification.
        for at in [8, 12, 16] {
            set(&mut bytes, at, &time.to_le_bytes());
        }
        set(&mut bytes, 24, &low16(gid).to_le_bytes());
        set(&mut bytes, 26, &low16(self.links).to_le_bytes());
        set(&mut bytes, 28, &low32(sectors).to_le_bytes());
        set(&mut bytes, 32, &flags.to_le_bytes());
        set(&mut bytes, 40, &map);
        set(&mut bytes, 104, &low32(attribute_block).to_le_bytes());
        set(&mut bytes, 108, &low32(size >> 32).to_le_bytes());
        set(&mut bytes, 120, &low16(uid >> 16).to_le_bytes());
        set(&mut bytes, 122, &low16(gid >> 16).to_le_bytes());
        set(&mut bytes, 128, &EXTRA_SIZE.to_le_bytes());
        // Change, modification, access; then the time of making.
        for at in [132, 136, 140] {
            set(&mut bytes, at, &time_extra.to_le_bytes());
        }
        set(&mut bytes, 144, &created.to_le_bytes());
        set(&mut bytes, 148, &created_extra.to_le_bytes());
        set(&mut bytes, INODE_FIXED, self.xattrs);
        Ok(bytes)
    }

    /// The 60 bytes of the block map, and the size in bytes.
    fn map(&self) -> Result<([u8; 60], u64), ImageError> {
        let mut map = [0u8; 60];
        let tree = || extent::root(&self.place.extents, &self.place.leaves, self.block);
        Ok(match &self.inode.kind {
            Kind::Directory | Kind::File(_) => (tree(), self.size),
            Kind::Symlink(_) if self.size > 0 => (tree(), self.size),
            Kind::Symlink(target) => {
                set(&mut map, 0, target.as_bytes());
                (map, target.len() as u64)
            }
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                (self.device(*major, *minor)?, 0)
            }
            Kind::Fifo => (map, 0),
        })
    }

    /// Small numbers in the first word, as they always were; larger ones in
    /// the second.
    fn device(&self, major: u32, minor: u32) -> Result<[u8; 60], ImageError> {
        let new = linux::device(self.path, major, minor)?;
        let mut map = [0u8; 60];
        if major < 256 && minor < 256 {
            set(&mut map, 0, &(major << 8 | minor).to_le_bytes());
        } else {
            set(&mut map, 4, &new.to_le_bytes());
        }
        Ok(map)
    }
}

/// Seconds as the old 32 bits and the two bits that carry on after 2038.
fn time(seconds: i64) -> (u32, u32) {
    const EARLIEST: i64 = -(1 << 31);
    const LATEST: i64 = EARLIEST + (1 << 34) - 1;
    let seconds = seconds.clamp(EARLIEST, LATEST);
    let low = low32(seconds.cast_unsigned());
    let epochs = (seconds - i64::from(low.cast_signed())) >> 32;
    (low, low32(epochs.cast_unsigned()) & 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_over_the_epochs() {
        assert_eq!(time(0), (0, 0));
        assert_eq!(time(-1), (u32::MAX, 0));
        assert_eq!(time(0x7fff_ffff), (0x7fff_ffff, 0));
        assert_eq!(time(0x8000_0000), (0x8000_0000, 1));
        assert_eq!(time(0x1_0000_0000), (0, 1));
        assert_eq!(time(i64::MAX), (0x7fff_ffff, 3));
        assert_eq!(time(i64::MIN), (0x8000_0000, 0));
    }
}
