//! Directory blocks: fixed-size entries, then the names they point to, both in
//! the order of the names' bytes, so that a reader can search by halves.
//!
//! It must not know where inodes lie; numbers come from the caller.

use super::{BLOCK, BLOCK_BYTES};

/// Bytes of an entry.
const ENTRY: usize = 12;

/// One name in a directory.
pub(super) struct Name<'t> {
    pub(super) name: &'t [u8],
    /// Which node it names.
    pub(super) node: usize,
    pub(super) file_type: u8,
}

/// How many of the names fit into the next block.
fn in_block(names: &[Name<'_>]) -> usize {
    let mut room = BLOCK;
    let mut count = 0;
    for name in names {
        let need = ENTRY + name.name.len();
        if need > room {
            break;
        }
        room -= need;
        count += 1;
    }
    // Names end at 255 bytes, so one always fits; this keeps loops finite.
    count.max(1)
}

/// Bytes of the whole directory: full blocks, and a last one that ends with its
/// last name.
pub(super) fn length(names: &[Name<'_>]) -> usize {
    let (mut rest, mut length) = (names, 0usize);
    while !rest.is_empty() {
        let (block, later) = rest.split_at(in_block(rest));
        length = length.next_multiple_of(BLOCK);
        length += block.iter().map(|name| ENTRY + name.name.len()).sum::<usize>();
        rest = later;
    }
    length
}

/// The directory, for names that are sorted.
pub(super) fn encode(names: &[Name<'_>], number: impl Fn(usize) -> u64) -> Vec<u8> {
    let (mut rest, mut bytes) = (names, Vec::with_capacity(length(names)));
    while !rest.is_empty() {
        let (block, later) = rest.split_at(in_block(rest));
        // Names of an earlier block end at zeros.
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        let mut name_at = block.len() * ENTRY;
        for name in block {
            bytes.extend_from_slice(&number(name.node).to_le_bytes());
            // Below a block's size, which 16 bits hold.
            let at = u16::try_from(name_at as u64 % BLOCK_BYTES).unwrap_or_default();
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&[name.file_type, 0]);
            name_at += name.name.len();
        }
        for name in block {
            bytes.extend_from_slice(name.name);
        }
        rest = later;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_lead_to_their_names() {
        let names: Vec<String> = (0..40).map(|n| format!("{n:0240}")).collect();
        let names: Vec<Name<'_>> = names
            .iter()
            .enumerate()
            .map(|(node, name)| Name { name: name.as_bytes(), node, file_type: 1 })
            .collect();
        let bytes = encode(&names, |node| node as u64 + 36);
        assert_eq!(bytes.len(), length(&names));
        // Sixteen of 252 bytes fill 4032 of a block.
        let mut node = 0;
        for block in bytes.chunks(BLOCK) {
            let word = |at: usize| usize::from(u16::from_le_bytes([block[at], block[at + 1]]));
            let count = word(8) / ENTRY;
            assert_eq!(count, (40 - node).min(16));
            for entry in 0..count {
                let at = word(entry * ENTRY + 8);
                assert_eq!(&block[at..at + 240], names[node].name);
                assert_eq!(u64::from(block[entry * ENTRY]), node as u64 + 36);
                node += 1;
            }
        }
        assert_eq!(node, 40);
    }
}
