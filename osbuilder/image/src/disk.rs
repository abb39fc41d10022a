//! The disk image: one file that is both an NVDIMM with DAX and a plain disk.
//!
//! With the DAX header: a partition table for plain disks at 0, the nvdimm
//! pfn superblock at 4096, a second partition table at 2 MiB that the pmem
//! driver sees as the start of its device, and the file system at 3 MiB,
//! which both tables name. Without: a partition table and the file system at
//! 1 MiB. It must not know what is inside the file system.

use std::io::{Read, Seek, SeekFrom, Write};

use rootfs::Tree;

use crate::error::ImageError;
use crate::filesystem::FilesystemWriter;
use crate::output::{Output, SparseWriter};
use crate::verity::{self, VerityTree};

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Bytes the pmem driver skips; also the mapping size DAX aims at.
const DATA_OFFSET: u64 = 2 * MIB;
/// Where the partition starts, seen from its table.
const PARTITION_OFFSET: u64 = MIB;
/// Default alignment of the image's size: an NVDIMM's smallest useful unit.
const ALIGN: u64 = 2 * MIB;

/// How the disk is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// Whether the file can be an NVDIMM: two tables and the pfn superblock.
    pub dax_header: bool,
    /// The file's size is a multiple of this many bytes, itself a multiple of
    /// 4096. 2 MiB is the least an NVDIMM takes.
    pub align_bytes: u64,
}

impl DiskOptions {
    /// An NVDIMM image with the least alignment.
    pub const DAX: Self = Self { dax_header: true, align_bytes: ALIGN };
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStats {
    /// Size of the whole file in bytes.
    pub size_bytes: u64,
    /// Where the file system starts, in bytes.
    pub filesystem_offset: u64,
    /// Bytes of the file system; the partition goes on to the file's end.
    pub filesystem_bytes: u64,
}

/// Writes a disk image with a file system of the tree into an empty output.
///
/// # Errors
///
/// When the file system's writer fails, an option is out of range or the
/// output fails.
pub fn write_disk(
    tree: &Tree,
    filesystem: &dyn FilesystemWriter,
    options: &DiskOptions,
    out: &mut dyn Output,
) -> Result<DiskStats, ImageError> {
    let DiskOptions { dax_header, align_bytes } = *options;
    if align_bytes == 0 || !align_bytes.is_multiple_of(4096) {
        return Err(ImageError::Option("the image's alignment must be a multiple of 4096 bytes"));
    }
    if dax_header && !align_bytes.is_multiple_of(ALIGN) {
        return Err(ImageError::Option("an NVDIMM image's alignment must be a multiple of 2 MiB"));
    }
    let filesystem_offset = if dax_header { DATA_OFFSET } else { 0 } + PARTITION_OFFSET;
    let filesystem_bytes = filesystem.write(tree, out, filesystem_offset)?;
    let end = filesystem_offset.checked_add(filesystem_bytes).ok_or(ImageError::TooLarge)?;
    let size_bytes = end.checked_next_multiple_of(align_bytes).ok_or(ImageError::TooLarge)?;
    let length = size_bytes - filesystem_offset;
    let [a, b, c, d, ..] = filesystem.uuid();
    let signature = [a, b, c, d];

    let root = Partition { start: filesystem_offset, length, active: false };
    write_tables(out, signature, dax_header, &[root])?;
    if dax_header {
        out.seek(SeekFrom::Start(4096))?;
        out.write_all(&pfn_superblock())?;
    }
    SparseWriter::new(out).finish(size_bytes)?;
    Ok(DiskStats { size_bytes, filesystem_offset, filesystem_bytes })
}

/// Puts a dm-verity tree over the file system of a disk image that was just
/// written, into a second partition at the next MiB; the first one is then
/// marked active, and ends where the data ends. Gives the image's new measures
/// and the tree.
///
/// # Errors
///
/// When the file system is not in whole blocks of 4096 bytes, or the file can't
/// be read or written.
pub fn add_verity<F: Read + Write + Seek>(
    file: &mut F,
    disk: &DiskStats,
    align_bytes: u64,
    salt: &[u8],
) -> Result<(DiskStats, VerityTree), ImageError> {
    let (start, length) = (disk.filesystem_offset, disk.filesystem_bytes);
    let mut signature = [0; 4];
    file.seek(SeekFrom::Start(440))?;
    file.read_exact(&mut signature)?;
    file.seek(SeekFrom::Start(start))?;
    let tree = verity::format((&mut *file).take(length), length, salt)?;

    let place = (start + length).checked_next_multiple_of(MIB).ok_or(ImageError::TooLarge)?;
    // A file system of one block needs no tree, but a partition needs a length.
    let tree_bytes = (tree.tree.len() as u64).max(verity::BLOCK as u64);
    let end = place.checked_add(tree_bytes).ok_or(ImageError::TooLarge)?;
    let size_bytes = end.checked_next_multiple_of(align_bytes).ok_or(ImageError::TooLarge)?;
    let data = Partition { start, length, active: true };
    let hash = Partition { start: place, length: size_bytes - place, active: false };
    write_tables(file, signature, start > PARTITION_OFFSET, &[data, hash])?;
    file.seek(SeekFrom::Start(place))?;
    file.write_all(&tree.tree)?;
    SparseWriter::new(file).finish(size_bytes)?;
    Ok((DiskStats { size_bytes, ..*disk }, tree))
}

/// A Linux partition; bytes from the start of the file.
#[derive(Clone, Copy)]
struct Partition {
    start: u64,
    length: u64,
    active: bool,
}

/// The table for plain disks and, with the DAX header, the one that the pmem
/// driver sees, for which everything lies 2 MiB earlier.
fn write_tables(
    out: &mut dyn Output,
    signature: [u8; 4],
    dax_header: bool,
    partitions: &[Partition],
) -> Result<(), ImageError> {
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&partition_table(signature, partitions, 0)?)?;
    if dax_header {
        out.seek(SeekFrom::Start(DATA_OFFSET))?;
        out.write_all(&partition_table(signature, partitions, DATA_OFFSET)?)?;
    }
    Ok(())
}

/// A classic partition table, seen from `origin`.
fn partition_table(
    signature: [u8; 4],
    partitions: &[Partition],
    origin: u64,
) -> Result<[u8; 512], ImageError> {
    let sectors = |bytes: u64| u32::try_from(bytes / SECTOR).map_err(|_| ImageError::TooLarge);
    // Cylinder, head and sector are long out of use; this value says so.
    let no_chs = [0xfe, 0xff, 0xff];
    let mut table = [0u8; 512];
    table[440..444].copy_from_slice(&signature);
    for (entry, partition) in table[446..510].chunks_exact_mut(16).zip(partitions) {
        entry[0] = if partition.active { 0x80 } else { 0 };
        entry[1..4].copy_from_slice(&no_chs);
        entry[4] = 0x83;
        entry[5..8].copy_from_slice(&no_chs);
        entry[8..12].copy_from_slice(&sectors(partition.start - origin)?.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors(partition.length)?.to_le_bytes());
    }
    table[510..512].copy_from_slice(&[0x55, 0xaa]);
    Ok(table)
}

/// The superblock by which the pmem driver knows that the data starts at
/// 2 MiB and may be mapped in 2 MiB steps.
fn pfn_superblock() -> [u8; 4096] {
    const MODE_RAM: u32 = 1;
    const ALIGN_BYTES: u32 = 2 << 20;
    let mut block = [0u8; 4096];
    block[..16].copy_from_slice(b"NVDIMM_PFN_INFO\0");
    block[54..56].copy_from_slice(&2u16.to_le_bytes());
    block[56..64].copy_from_slice(&DATA_OFFSET.to_le_bytes());
    block[72..76].copy_from_slice(&MODE_RAM.to_le_bytes());
    block[84..88].copy_from_slice(&ALIGN_BYTES.to_le_bytes());
    let checksum = fletcher64(&block);
    block[4088..].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Running sum of the 32-bit words in the low half, sum of the sums in the
/// high half.
fn fletcher64(bytes: &[u8]) -> u64 {
    let (mut low, mut high) = (0u32, 0u32);
    for word in bytes.chunks_exact(4) {
        let word = word.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        low = low.wrapping_add(word);
        high = high.wrapping_add(low);
    }
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pfn_superblock_has_the_known_checksum() {
        let block = pfn_superblock();
        assert_eq!(block[4088..], 0x685b_032b_e394_3830_u64.to_le_bytes());
    }
}
