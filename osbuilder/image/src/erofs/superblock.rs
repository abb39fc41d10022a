//! The superblock, 128 bytes at 1024, and the checksum over the rest of its
//! block.

use crc::{CRC_32_ISCSI, Crc};

use super::layout::Layout;
use super::nodes::Node;
use super::{BLOCK, BLOCK_BYTES, ErofsOptions};
use crate::error::ImageError;

const START: usize = 1024;
/// Where inodes may begin.
pub(super) const END: usize = START + 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// Readers may rely on the checksum, and on times being those of modification.
const COMPATIBLE: u32 = 0x1 | 0x2;
/// Readers must know that compressed data ends with its block, not begins.
const ZERO_PADDING: u32 = 0x1;
/// How far back lz4 refers: all that it can. It is what readers take for granted
/// too, but by it a kernel that unpacks nothing refuses to mount, and says why.
const LZ4_DISTANCE: u16 = u16::MAX;

/// Puts the superblock into the first block, whose inodes are there already.
pub(super) fn write(
    metadata: &mut [u8],
    nodes: &[Node<'_>],
    layout: &Layout,
    options: &ErofsOptions,
) -> Result<(), ImageError> {
    let packed = nodes.iter().any(|node| node.body.packed().is_some());
    let incompatible = if packed { ZERO_PADDING } else { 0 };
    let root = u16::try_from(layout.number(0)).map_err(|_| ImageError::TooLarge)?;
    let block_bits = u8::try_from(BLOCK_BYTES.trailing_zeros()).unwrap_or_default();
    let time = options.timestamp.cast_unsigned();
    let mut block = vec![0; BLOCK - START];
    let mut set = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    set(0, &MAGIC.to_le_bytes());
    set(8, &COMPATIBLE.to_le_bytes());
    set(12, &[block_bits]);
    set(14, &root.to_le_bytes());
    set(16, &(nodes.len() as u64).to_le_bytes());
    set(24, &time.to_le_bytes());
    set(36, &layout.blocks.to_le_bytes());
    // Inode numbers count from the file system's start; no shared attributes.
    set(40, &[0; 8]);
    set(48, &options.uuid);
    set(64, options.label.as_bytes());
    set(80, &incompatible.to_le_bytes());
    if packed {
        set(84, &LZ4_DISTANCE.to_le_bytes());
    }
    set(END - START, &metadata[END..BLOCK]);
    // The format keeps the sum without its usual last inversion.
    let sum = !Crc::<u32>::new(&CRC_32_ISCSI).checksum(&block);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
    metadata[START..BLOCK].copy_from_slice(&block);
    Ok(())
}
