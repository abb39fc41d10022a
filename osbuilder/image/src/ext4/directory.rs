//! Directory blocks: plain lists of names, as every ext4 reader knows them.
//!
//! It must not know where the blocks will lie.

use super::{BlockSize, low16, set};
use crate::linux::TYPE_DIRECTORY;

/// One name in a directory.
pub(super) struct Name<'t> {
    pub(super) name: &'t str,
    pub(super) inode: u32,
    pub(super) file_type: u8,
}

/// All blocks of a directory. The entries of a block fill it to its end: the
/// last one is as long as what is left.
pub(super) fn encode(own: u32, parent: u32, names: &[Name<'_>], size: BlockSize) -> Vec<u8> {
    let block = size.length();
    let file_type = TYPE_DIRECTORY;
    let dots =
        [Name { name: ".", inode: own, file_type }, Name { name: "..", inode: parent, file_type }];
    let mut blocks = Vec::with_capacity(block);
    // Where the latest entry starts.
    let mut last = 0;
    for name in dots.iter().chain(names) {
        let length = (8 + name.name.len()).next_multiple_of(4);
        if !blocks.is_empty() && block - (blocks.len() - 1) % block - 1 < length {
            fill(&mut blocks, last, block);
        }
        last = blocks.len();
        blocks.extend_from_slice(&name.inode.to_le_bytes());
        blocks.extend_from_slice(&low16(length as u64).to_le_bytes());
        blocks.push(u8::try_from(name.name.len()).unwrap_or(u8::MAX));
        blocks.push(name.file_type);
        blocks.extend_from_slice(name.name.as_bytes());
        blocks.resize(last + length, 0);
    }
    fill(&mut blocks, last, block);
    blocks
}

/// Stretches the entry at `last` to the end of its block.
fn fill(blocks: &mut Vec<u8>, last: usize, block: usize) {
    let end = blocks.len().next_multiple_of(block);
    blocks.resize(end, 0);
    set(blocks, last + 4, &low16((end - last) as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_fill_their_blocks() {
        // Names of 252 bytes take 260: fifteen of them and the dots fit.
        let names: Vec<String> = (0..40).map(|n| format!("{n:0252}")).collect();
        let entries: Vec<Name<'_>> =
            names.iter().map(|name| Name { name, inode: 12, file_type: 1 }).collect();
        for (size, count) in [(BlockSize::Kib4, 3), (BlockSize::Kib2, 6), (BlockSize::Kib1, 14)] {
            assert_eq!(walk(&encode(11, 2, &entries, size), size.length()), (count, 42));
        }
    }

    /// Blocks and entries of a directory.
    fn walk(blocks: &[u8], block: usize) -> (usize, usize) {
        let (mut at, mut count) = (0, 0);
        while at < blocks.len() {
            let length = usize::from(u16::from_le_bytes([blocks[at + 4], blocks[at + 5]]));
            assert_eq!(at / block, (at + length - 1) / block, "entry over a block's end");
            at += length;
            count += 1;
        }
        (blocks.len() / block, count)
    }
}
