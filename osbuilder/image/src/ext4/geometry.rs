//! What follows from the size of a block, and nothing else: it must not know
//! what is in one.

/// Bytes of an inode.
pub(super) const INODE_SIZE: usize = 256;

/// The size of a block. Small blocks waste less behind small files; DAX maps
/// only blocks of a whole page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockSize {
    /// 1024 bytes.
    Kib1,
    /// 2048 bytes.
    Kib2,
    /// 4096 bytes.
    #[default]
    Kib4,
}

impl BlockSize {
    /// The block size of so many bytes, if the format's writer knows it.
    #[must_use]
    pub const fn of_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1024 => Some(Self::Kib1),
            2048 => Some(Self::Kib2),
            4096 => Some(Self::Kib4),
            _ => None,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1024 << self.exponent()
    }

    /// Bytes of a block, as lengths are counted.
    pub(super) const fn length(self) -> usize {
        1024 << self.exponent()
    }

    /// The superblock's way to tell the size.
    pub(super) const fn exponent(self) -> u32 {
        match self {
            Self::Kib1 => 0,
            Self::Kib2 => 1,
            Self::Kib4 => 2,
        }
    }

    /// Blocks, or inodes, that a bitmap of one block describes.
    pub(super) const fn per_group(self) -> u64 {
        self.bytes() * 8
    }

    /// Where group 0 starts: the superblock lies at 1024 bytes, and blocks of
    /// that size leave the one before it to boot loaders.
    pub(super) const fn first(self) -> u64 {
        match self {
            Self::Kib1 => 1,
            Self::Kib2 | Self::Kib4 => 0,
        }
    }

    /// The first block of a group.
    pub(super) const fn start_of(self, group: u64) -> u64 {
        self.first() + group * self.per_group()
    }

    /// Inodes one block of an inode table holds.
    pub(super) const fn inodes(self) -> u64 {
        self.bytes() / INODE_SIZE as u64
    }

    /// Extents in one leaf block.
    pub(super) const fn extents(self) -> usize {
        (self.length() - 12) / 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_size() {
        let facts = |bytes| {
            let size = BlockSize::of_bytes(bytes).unwrap();
            assert_eq!(size.bytes(), u64::from(bytes));
            (size.first(), size.start_of(3), size.inodes(), size.extents())
        };
        assert_eq!(facts(1024), (1, 24_577, 4, 84));
        assert_eq!(facts(2048), (0, 49_152, 8, 169));
        assert_eq!(facts(4096), (0, 98_304, 16, 340));
        assert_eq!(BlockSize::of_bytes(8192), None);
    }
}
