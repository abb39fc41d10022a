//! What the disk writer asks of a root file system's writer, and nothing more:
//! it must not know which file system that is.

use rootfs::Tree;

use crate::error::ImageError;
use crate::output::Output;

/// Something that can write a file system for a tree.
pub trait FilesystemWriter {
    /// Writes the file system at `offset` bytes into the output, and returns
    /// its size in bytes, a multiple of 512. The size is what the tree needs.
    ///
    /// # Errors
    ///
    /// When the tree doesn't fit the format or the output fails.
    fn write(&self, tree: &Tree, out: &mut dyn Output, offset: u64) -> Result<u64, ImageError>;

    /// The file system's own identifier; four bytes of it tell the disk from
    /// others.
    fn uuid(&self) -> [u8; 16];
}
