//! The erofs writer: a tree as a read-only file system, without mkfs.
//!
//! `nodes` lists inodes and directories, `pack` compresses files where that is
//! asked for, `layout` gives inodes their slots and contents their blocks, and
//! `inode`, `directory`, `xattr`, `index` and `superblock` encode. This file
//! streams the pieces in block order. It must not know partitions or devices.
//!
//! Only what every kernel since 5.4 reads is written: inodes with their
//! attributes and, where that is allowed, the last bytes of their contents
//! beside them; and lz4 in physical clusters of one block.

mod directory;
mod index;
mod inode;
mod layout;
mod nodes;
mod pack;
mod superblock;
mod xattr;

use rootfs::Tree;

use crate::error::ImageError;
use crate::filesystem::FilesystemWriter;
use crate::output::{BLOCK, Output, SparseWriter};

/// Block size in bytes, as 64 bits.
const BLOCK_BYTES: u64 = BLOCK as u64;
/// Inodes start at multiples of this many bytes; their numbers count it.
const SLOT: usize = 32;

/// How files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErofsCompression {
    /// Not at all: the only form that DAX can map.
    None,
    /// lz4, its fast compressor.
    Lz4,
    /// lz4, its thorough compressor: smaller, and no slower to read.
    Lz4Hc,
}

/// What to write besides the tree. Everything that would be random or a clock
/// elsewhere is given here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErofsOptions {
    /// Volume name, at most 15 bytes.
    pub label: String,
    /// Identifier of the file system.
    pub uuid: [u8; 16],
    /// Time of making, seconds since 1970 UTC. Inodes of just this time can be
    /// smaller.
    pub timestamp: i64,
    /// How files are compressed.
    pub compression: ErofsCompression,
    /// Whether the last bytes of a file may lie beside its inode instead of in
    /// a block of their own. Smaller, but DAX can't map such files.
    pub inline_tails: bool,
}

impl FilesystemWriter for ErofsOptions {
    fn write(&self, tree: &Tree, out: &mut dyn Output, offset: u64) -> Result<u64, ImageError> {
        Ok(write_erofs(tree, self, out, offset)?.size_bytes)
    }

    fn uuid(&self) -> [u8; 16] {
        self.uuid
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErofsStats {
    /// Size of the file system in bytes, a multiple of 4096.
    pub size_bytes: u64,
    /// Blocks of 4096 bytes.
    pub blocks: u64,
    /// Inodes.
    pub inodes: u64,
    /// Files that are compressed, those with the same bytes counted each.
    pub compressed_files: u64,
}

/// Writes the tree as erofs at `offset` bytes (a multiple of 4096) of an
/// output that reads as zeros where nothing is written. Files with the same
/// bytes share their blocks.
///
/// # Errors
///
/// When the tree doesn't fit the format, an option is out of range or the
/// output fails.
pub fn write_erofs(
    tree: &Tree,
    options: &ErofsOptions,
    out: &mut dyn Output,
    offset: u64,
) -> Result<ErofsStats, ImageError> {
    check(options, offset)?;
    let nodes = nodes::list(tree, options)?;
    let layout = layout::Layout::plan(&nodes, options)?;
    let mut metadata = vec![0; layout.metadata_bytes];
    for (node, place) in nodes.iter().zip(&layout.places) {
        let bytes = inode::encode(node, place, options)?;
        metadata[place.at..place.at + bytes.len()].copy_from_slice(&bytes);
        let directory = node.body.directory(|other| layout.number(other));
        let bytes = directory.as_deref().unwrap_or_else(|| node.body.bytes());
        let tail = &bytes[bytes.len() - place.tail_bytes..];
        metadata[place.tail_at..place.tail_at + tail.len()].copy_from_slice(tail);
    }
    superblock::write(&mut metadata, &nodes, &layout, options)?;

    let mut writer = SparseWriter::new(out);
    writer.write_at(offset, &metadata)?;
    for (index, block) in &layout.pieces {
        let (Some(node), Some(place)) = (nodes.get(*index), layout.places.get(*index)) else {
            continue;
        };
        let directory = node.body.directory(|other| layout.number(other));
        let bytes = directory.as_deref().unwrap_or_else(|| node.body.bytes());
        let whole = &bytes[..bytes.len() - place.tail_bytes];
        writer.write_at(offset + u64::from(*block) * BLOCK_BYTES, whole)?;
    }
    let size_bytes = u64::from(layout.blocks) * BLOCK_BYTES;
    writer.finish(offset + size_bytes)?;
    let compressed = nodes.iter().filter(|node| node.body.packed().is_some());
    Ok(ErofsStats {
        size_bytes,
        blocks: u64::from(layout.blocks),
        inodes: nodes.len() as u64,
        compressed_files: compressed.count() as u64,
    })
}

fn check(options: &ErofsOptions, offset: u64) -> Result<(), ImageError> {
    // Sixteen have room, but kernels want the NUL behind the last one.
    let problem = if options.label.len() > 15 || options.label.contains('\0') {
        "the volume label of an erofs must be at most 15 bytes without NUL"
    } else if options.timestamp < 0 {
        "the file system's timestamp must not lie before 1970"
    } else if !offset.is_multiple_of(BLOCK_BYTES) {
        "the file system must start at a multiple of 4096 bytes"
    } else {
        return Ok(());
    };
    Err(ImageError::Option(problem))
}
