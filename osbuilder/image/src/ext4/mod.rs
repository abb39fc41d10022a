//! The ext4 writer: a tree as a file system, in one pass and without mkfs.
//!
//! Four steps: `nodes` numbers inodes and lists directories, `layout` gives
//! everything its blocks, `tables` encodes superblock, descriptors, bitmaps
//! and inodes, and this file streams the pieces in block order. There is no
//! journal: a guest's root is read-only, and a journal costs space and a
//! replay. It must not know partitions or devices.

mod directory;
mod extent;
mod geometry;
mod inode;
mod layout;
mod nodes;
mod tables;
mod xattr;

use std::io::{Seek, Write};

use rootfs::Tree;

use crate::error::ImageError;
use crate::filesystem::FilesystemWriter;
use crate::output::{Output, SparseWriter};

pub use geometry::BlockSize;
use geometry::INODE_SIZE;

/// File systems start and end at multiples of so many bytes, whatever the size
/// of their blocks: pages, and the blocks of dm-verity.
const PAGE: u64 = 4096;

/// What to write besides the tree. Everything that would be random or a clock
/// elsewhere is given here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4Options {
    /// Size of a block.
    pub block_size: BlockSize,
    /// Volume name, at most 16 bytes.
    pub label: String,
    /// Identifier of the file system; all zeros is not allowed, since checkers
    /// would make one up.
    pub uuid: [u8; 16],
    /// Seed of directory hashes, should the guest ever index a directory.
    pub hash_seed: [u8; 16],
    /// Time of making, seconds since 1970 UTC.
    pub timestamp: i64,
    /// Free space the guest finds at least, in bytes.
    pub free_bytes: u64,
    /// Free inodes the guest finds at least.
    pub extra_inodes: u32,
    /// Share of blocks only root may use, in percent, at most 50.
    pub reserved_percent: u8,
    /// Whether files of 2 MiB and more start at 2 MiB boundaries of the
    /// output, so that DAX can map them with huge pages.
    pub huge_page_files: bool,
}

impl FilesystemWriter for Ext4Options {
    fn write(&self, tree: &Tree, out: &mut dyn Output, offset: u64) -> Result<u64, ImageError> {
        Ok(write_ext4(tree, self, out, offset)?.size_bytes)
    }

    fn uuid(&self) -> [u8; 16] {
        self.uuid
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ext4Stats {
    /// Size of the file system in bytes, a multiple of 4096.
    pub size_bytes: u64,
    /// Blocks of the asked size.
    pub blocks: u64,
    /// Blocks in no use.
    pub free_blocks: u64,
    /// Inodes there is room for.
    pub inodes: u32,
    /// Inodes in no use.
    pub free_inodes: u32,
}

/// Writes the tree as ext4 at `offset` bytes (a multiple of 4096) of an
/// output that reads as zeros where nothing is written. Times outside 1901 to
/// 2446 become the nearest the format can hold.
///
/// # Errors
///
/// When the tree doesn't fit the format, an option is out of range or the
/// output fails.
pub fn write_ext4(
    tree: &Tree,
    options: &Ext4Options,
    mut out: &mut (impl Write + Seek + ?Sized),
    offset: u64,
) -> Result<Ext4Stats, ImageError> {
    check(options, offset)?;
    let block_bytes = options.block_size.bytes();
    let nodes = nodes::Nodes::of(tree, options.block_size, options.timestamp)?;
    let layout = layout::Layout::plan(&nodes, options, offset / block_bytes)?;
    let tables = tables::Tables::build(&nodes, &layout, options)?;

    let mut pieces = tables.pieces(&layout);
    pieces.extend(layout.data_pieces(&nodes));
    pieces.sort_by_key(|piece| piece.block);

    let mut writer = SparseWriter::new(&mut out);
    for piece in pieces {
        writer.write_at(offset + piece.block * block_bytes, piece.bytes)?;
    }
    let size_bytes = layout.blocks * block_bytes;
    writer.finish(offset + size_bytes)?;
    Ok(Ext4Stats {
        size_bytes,
        blocks: layout.blocks,
        free_blocks: tables.free_blocks,
        inodes: layout.inodes(),
        free_inodes: tables.free_inodes,
    })
}

/// Bytes that go to a block and those after it.
struct Piece<'a> {
    block: u64,
    bytes: &'a [u8],
}

fn check(options: &Ext4Options, offset: u64) -> Result<(), ImageError> {
    let problem = if options.label.len() > 16 || options.label.contains('\0') {
        "the volume label must be at most 16 bytes without NUL"
    } else if options.uuid == [0; 16] {
        "the file system's UUID must not be all zeros"
    } else if options.reserved_percent > 50 {
        "at most 50 percent of the blocks can be reserved"
    } else if u32::try_from(options.timestamp).is_err() {
        "the file system's timestamp must lie between 1970 and 2106"
    } else if !offset.is_multiple_of(PAGE) {
        "the file system must start at a multiple of 4096 bytes"
    } else {
        return Ok(());
    };
    Err(ImageError::Option(problem))
}

/// Puts bytes into a table at a position the format fixes.
fn set(table: &mut [u8], at: usize, bytes: &[u8]) {
    table[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The low 32 bits.
fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or_default()
}

/// The low 16 bits.
fn low16(value: u64) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or_default()
}
