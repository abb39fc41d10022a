//! The index of a compressed file: for each 4096 bytes of the file, in which
//! block they begin. Two bytes each where sixteen come together, else four.
//!
//! Entries come in packs that end with a block number; an entry holds a kind
//! and, for the start of a block's bytes, the place of that start, else the
//! distance to it. It must not know inodes.

use super::BLOCK;
use super::pack::Packed;

/// Bytes before the packs.
const HEADER: usize = 8;
/// Bits of an entry's number; its kind has the two bits above.
const NUMBER_BITS: usize = 12;
/// Entries of a large pack; it has 32 bytes and starts at a multiple of them.
const LARGE: usize = 16;
const LARGE_BYTES: usize = 32;
/// Entries of a small pack, which has 8 bytes.
const SMALL: usize = 2;
const SMALL_BYTES: usize = 8;

/// What 4096 bytes of the file begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// In them starts what a block stands for, at this byte.
    Start { plain: bool, at: usize, block: u32 },
    /// They belong to an earlier start: so many entries back, so many entries
    /// until the next start.
    Within { back: usize, ahead: usize },
}

/// How many entries come in which packs.
struct Packs {
    /// In small packs, until large ones can start.
    first: usize,
    large: usize,
    last: usize,
}

impl Packs {
    /// For an index whose header starts `before` bytes behind a multiple of 32.
    fn of(before: usize, entries: usize) -> Self {
        let start = before.next_multiple_of(SMALL_BYTES) + HEADER;
        let mut first = (start.next_multiple_of(LARGE_BYTES) - start) / (SMALL_BYTES / SMALL);
        let mut large = 0;
        if first < entries {
            large = (entries - first) / LARGE * LARGE;
        } else {
            first = 0;
        }
        // Without a large pack all are of one kind.
        Self { first, large, last: entries - first - large }
    }

    fn bytes(&self) -> usize {
        let small = (self.first.div_ceil(SMALL) + self.last.div_ceil(SMALL)) * SMALL_BYTES;
        small + self.large / LARGE * LARGE_BYTES
    }
}

/// Bytes of the index of a file of `size` bytes.
pub(super) fn length(before: usize, size: usize) -> usize {
    HEADER + Packs::of(before, size.div_ceil(BLOCK)).bytes()
}

/// The index, for blocks that start at `first_block`. `before` is where the
/// bytes in front of it end, counted from a multiple of 32.
pub(super) fn encode(before: usize, packed: &Packed, size: usize, first_block: u32) -> Vec<u8> {
    let entries = entries(packed, size, first_block);
    let packs = Packs::of(before, entries.len());
    let mut bytes = vec![0; HEADER];
    // Large packs may occur; lz4 for all, clusters of one block.
    bytes[4] = 1;
    let (first, rest) = entries.split_at(packs.first);
    let (large, last) = rest.split_at(packs.large);
    let mut block = first_block;
    for (entries, in_pack, pack_bytes) in
        [(first, SMALL, SMALL_BYTES), (large, LARGE, LARGE_BYTES), (last, SMALL, SMALL_BYTES)]
    {
        for entries in entries.chunks(in_pack) {
            pack(&mut bytes, entries, in_pack, pack_bytes, &mut block);
        }
    }
    bytes
}

fn entries(packed: &Packed, size: usize, first_block: u32) -> Vec<Entry> {
    let count = size.div_ceil(BLOCK);
    let mut entries: Vec<Option<Entry>> = vec![None; count];
    for (head, block) in packed.heads.iter().zip(first_block..) {
        if let Some(entry) = entries.get_mut(head.at / BLOCK) {
            *entry = Some(Entry::Start { plain: head.plain, at: head.at % BLOCK, block });
        }
    }
    // Where the file ends inside an entry that nothing else starts in, the end
    // is marked as a start, so that no reader unpacks more than there is.
    if let Some(last @ None) = entries.last_mut()
        && !size.is_multiple_of(BLOCK)
    {
        *last = Some(Entry::Start { plain: true, at: size % BLOCK, block: 0 });
    }
    let mut start = 0;
    let mut whole = Vec::with_capacity(count);
    for (number, entry) in entries.iter().enumerate() {
        if entry.is_some() {
            start = number;
        }
        whole.push(entry.unwrap_or(Entry::Within { back: number - start, ahead: 0 }));
    }
    let mut next = count;
    for (number, entry) in whole.iter_mut().enumerate().rev() {
        match entry {
            Entry::Start { .. } => next = number,
            Entry::Within { ahead, .. } => *ahead = next - number,
        }
    }
    whole
}

/// One pack. Its block number is the one before its first start's, since
/// readers count the starts in the pack from one.
fn pack(bytes: &mut Vec<u8>, entries: &[Entry], in_pack: usize, length: usize, block: &mut u32) {
    let bits = (length - 4) * 8 / in_pack;
    let mut words = vec![0u8; length];
    let mut first = None;
    for (number, entry) in entries.iter().enumerate() {
        let value = match *entry {
            Entry::Start { plain, at, block } => {
                first.get_or_insert(block);
                usize::from(!plain) << NUMBER_BITS | at
            }
            // The last entry of a pack looks ahead; how far back its start is
            // follows from the one before it.
            Entry::Within { ahead, .. } if number + 1 == in_pack => 2 << NUMBER_BITS | ahead,
            Entry::Within { back, .. } => 2 << NUMBER_BITS | back,
        };
        for bit in (0..bits).filter(|bit| value >> bit & 1 == 1) {
            let at = number * bits + bit;
            words[at / 8] |= 1 << (at % 8);
        }
    }
    if let Some(first) = first.filter(|first| *first > 0) {
        *block = first;
    }
    words[length - 4..].copy_from_slice(&block.wrapping_sub(1).to_le_bytes());
    bytes.extend_from_slice(&words);
}
