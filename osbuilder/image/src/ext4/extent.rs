//! Extent trees: which blocks hold a file, as inodes store it.
//!
//! Files here are contiguous except around backup superblocks, so nearly all
//! trees are a root in the inode. It must not know who gives out blocks.

use super::{BlockSize, low16, low32, set};

/// Blocks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) length: u32,
}

/// Most blocks one extent can name.
pub(super) const MAX_LENGTH: u64 = 32_768;
/// Extents in the inode itself.
pub(super) const IN_INODE: usize = 4;

/// How many leaf blocks these extents need.
pub(super) fn leaves(extents: usize, size: BlockSize) -> usize {
    if extents <= IN_INODE { 0 } else { extents.div_ceil(size.extents()) }
}

/// The root that goes into the inode. With leaves it names their blocks.
pub(super) fn root(extents: &[Extent], leaves: &[u64], size: BlockSize) -> [u8; 60] {
    let mut root = [0u8; 60];
    if leaves.is_empty() {
        header(&mut root, extents.len(), IN_INODE, 0);
        entries(&mut root, extents, 0);
        return root;
    }
    header(&mut root, leaves.len(), IN_INODE, 1);
    let mut logical = 0u32;
    for (index, (leaf, covered)) in leaves.iter().zip(extents.chunks(size.extents())).enumerate() {
        let at = 12 + 12 * index;
        set(&mut root, at, &logical.to_le_bytes());
        set(&mut root, at + 4, &low32(*leaf).to_le_bytes());
        set(&mut root, at + 8, &low16(*leaf >> 32).to_le_bytes());
        logical += covered.iter().map(|extent| extent.length).sum::<u32>();
    }
    root
}

/// The contents of the leaf blocks, one after the other.
pub(super) fn leaf_blocks(extents: &[Extent], size: BlockSize) -> Vec<u8> {
    let mut blocks = Vec::new();
    let mut logical = 0u32;
    for covered in extents.chunks(size.extents()) {
        let mut block = vec![0u8; size.length()];
        header(&mut block, covered.len(), size.extents(), 0);
        logical = entries(&mut block, covered, logical);
        blocks.extend_from_slice(&block);
    }
    blocks
}

fn header(node: &mut [u8], count: usize, max: usize, depth: u16) {
    set(node, 0, &0xf30a_u16.to_le_bytes());
    set(node, 2, &low16(count as u64).to_le_bytes());
    set(node, 4, &low16(max as u64).to_le_bytes());
    set(node, 6, &depth.to_le_bytes());
}

/// Writes extents after a node's header; returns the next logical block.
fn entries(node: &mut [u8], extents: &[Extent], mut logical: u32) -> u32 {
    for (index, extent) in extents.iter().enumerate() {
        let at = 12 + 12 * index;
        set(node, at, &logical.to_le_bytes());
        set(node, at + 4, &low16(u64::from(extent.length)).to_le_bytes());
        set(node, at + 6, &low16(extent.start >> 32).to_le_bytes());
        set(node, at + 8, &low32(extent.start).to_le_bytes());
        logical += extent.length;
    }
    logical
}
