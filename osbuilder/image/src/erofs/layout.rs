//! Which slot holds which inode, and which blocks hold what.
//!
//! All inodes lie at the front, with the contents that fit beside them; then
//! directories, long links and files, in order of path. It must not know how
//! anything is encoded.

use std::collections::BTreeMap;

use super::inode::{self, DataLayout};
use super::nodes::{Body, Node};
use super::{BLOCK, ErofsOptions, SLOT, superblock};
use crate::error::ImageError;

/// Gaps that are kept for small inodes. More of them would fill up a little
/// better and make large trees slow.
const GAPS: usize = 64;
/// Bytes of the larger inode; no inode itself lies across two blocks.
const INODE: usize = 64;

/// Where an inode and its contents are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Byte at which the inode starts.
    pub(super) at: usize,
    /// A number for programs with 32 bits, counted from 1.
    pub(super) serial: u32,
    pub(super) layout: DataLayout,
    /// First block of the contents.
    pub(super) block: u32,
    /// How many of the last bytes lie in the inode's own block, and where.
    pub(super) tail_bytes: usize,
    pub(super) tail_at: usize,
}

/// Everything's place.
pub(super) struct Layout {
    /// One for each node.
    pub(super) places: Vec<Place>,
    /// Bytes of superblock and inodes, whole blocks.
    pub(super) metadata_bytes: usize,
    /// Contents to write: node and first block, rising.
    pub(super) pieces: Vec<(usize, u32)>,
    /// All blocks.
    pub(super) blocks: u32,
}

impl Layout {
    pub(super) fn plan(nodes: &[Node<'_>], options: &ErofsOptions) -> Result<Self, ImageError> {
        let mut slots = Slots { cursor: superblock::END.next_multiple_of(SLOT), gaps: Vec::new() };
        let mut places = Vec::with_capacity(nodes.len());
        for (node, serial) in nodes.iter().zip(1..) {
            places.push(place(node, serial, options, &mut slots));
        }
        let metadata_bytes = slots.cursor.next_multiple_of(BLOCK);
        let mut blocks = blocks(metadata_bytes)?;
        let mut pieces = Vec::new();
        // The first file with the same bytes in the same form.
        let mut known: BTreeMap<(bool, &[u8]), u32> = BTreeMap::new();
        for directories in [true, false] {
            for (index, (node, place)) in nodes.iter().zip(&mut places).enumerate() {
                if matches!(node.body, Body::File(_) | Body::Packed(..)) == directories {
                    continue;
                }
                let bytes = match &node.body {
                    Body::Directory(_) => node.body.size(),
                    other => other.bytes().len(),
                } - place.tail_bytes;
                if bytes == 0 {
                    continue;
                }
                place.block = blocks;
                if let Body::File(_) | Body::Packed(..) = node.body {
                    let key = (node.body.packed().is_some(), &node.body.bytes()[..bytes]);
                    match known.get(&key) {
                        Some(first) => {
                            place.block = *first;
                            continue;
                        }
                        None => known.insert(key, blocks),
                    };
                }
                pieces.push((index, blocks));
                blocks = blocks.checked_add(self::blocks(bytes)?).ok_or(ImageError::TooLarge)?;
            }
        }
        Ok(Self { places, metadata_bytes, pieces, blocks })
    }

    /// The number of a node's inode: the slot that it starts in.
    pub(super) fn number(&self, node: usize) -> u64 {
        self.places.get(node).map_or(0, |place| (place.at / SLOT) as u64)
    }
}

/// Whole blocks that hold so many bytes.
fn blocks(bytes: usize) -> Result<u32, ImageError> {
    u32::try_from(bytes.div_ceil(BLOCK)).map_err(|_| ImageError::TooLarge)
}

/// Finds a slot, with the last bytes of the contents beside the inode where
/// that is allowed and all of it fits into one block.
fn place(node: &Node<'_>, serial: u32, options: &ErofsOptions, slots: &mut Slots) -> Place {
    let bytes = inode::total_bytes(node, options);
    let size = node.body.size();
    let (allowed, tail) = match &node.body {
        Body::None | Body::Packed(..) => (false, 0),
        Body::File(_) => (options.inline_tails, size % BLOCK),
        Body::Directory(_) => (true, size % BLOCK),
        // A target is read in one piece.
        Body::Symlink(_) => (size < BLOCK, size),
    };
    let mut place =
        Place { at: 0, serial, layout: DataLayout::Plain, block: 0, tail_bytes: 0, tail_at: 0 };
    if allowed && tail > 0 && bytes + tail <= BLOCK {
        place.at = slots.whole(bytes + tail);
        place.layout = DataLayout::Inline;
        place.tail_bytes = tail;
        place.tail_at = place.at + bytes;
        return place;
    }
    if node.body.packed().is_some() {
        place.layout = DataLayout::Packed;
    }
    place.at = if bytes <= BLOCK { slots.whole(bytes) } else { slots.across(bytes) };
    place
}

/// Gives out room for inodes, filling gaps that larger ones left.
struct Slots {
    /// First byte that was never given out.
    cursor: usize,
    /// Start and length of what was stepped over.
    gaps: Vec<(usize, usize)>,
}

impl Slots {
    /// Room inside one block.
    fn whole(&mut self, bytes: usize) -> usize {
        let bytes = bytes.next_multiple_of(SLOT);
        if let Some(index) = self.gaps.iter().position(|(_, length)| *length >= bytes) {
            let (start, length) = self.gaps.remove(index);
            self.keep(start + bytes, length - bytes);
            return start;
        }
        let room = self.cursor.next_multiple_of(BLOCK) - self.cursor;
        if room < bytes && room > 0 {
            self.keep(self.cursor, room);
            self.cursor += room;
        }
        self.take(bytes)
    }

    /// Room over as many blocks as it takes.
    fn across(&mut self, bytes: usize) -> usize {
        let room = self.cursor.next_multiple_of(BLOCK) - self.cursor;
        if room < INODE && room > 0 {
            self.keep(self.cursor, room);
            self.cursor += room;
        }
        self.take(bytes.next_multiple_of(SLOT))
    }

    fn take(&mut self, bytes: usize) -> usize {
        let start = self.cursor;
        self.cursor += bytes;
        start
    }

    fn keep(&mut self, start: usize, length: usize) {
        if length == 0 {
            return;
        }
        if self.gaps.len() == GAPS {
            self.gaps.remove(0);
        }
        self.gaps.push((start, length));
    }
}
