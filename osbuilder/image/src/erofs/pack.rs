//! lz4 with a fixed size of what comes out: every block of 4096 bytes holds as
//! much of the file as goes in, so that no block is read for a part of it.
//!
//! It must not know where blocks lie or how the index names them.

use lzzzz::{lz4, lz4_hc};

use super::{BLOCK, ErofsCompression, ErofsOptions};

/// Most bytes that one block may stand for: what a guest unpacks to read a
/// single one of them, and far within what the index can count.
const MOST: usize = 512 << 10;

/// A compressed file.
pub(super) struct Packed {
    /// What is stored, whole blocks.
    pub(super) blocks: Vec<u8>,
    /// One for each block, rising.
    pub(super) heads: Vec<Head>,
}

/// What a block stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its first byte in the file.
    pub(super) at: usize,
    /// Whether the bytes are stored as they are.
    pub(super) plain: bool,
}

impl Packed {
    /// How many blocks are stored.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.heads.len()).unwrap_or(u32::MAX)
    }
}

/// Compresses a file; nothing where that saves no block.
pub(super) fn pack(bytes: &[u8], options: &ErofsOptions) -> Option<Packed> {
    let (whole, tail) = (bytes.len() / BLOCK, bytes.len() % BLOCK);
    // What it costs as it is; a tail beside the inode needs no block.
    let plain = whole + usize::from(tail > 0 && !options.inline_tails);
    if plain < 2 {
        return None;
    }
    let mut packed = Packed { blocks: Vec::new(), heads: Vec::new() };
    let mut at = 0;
    while at < bytes.len() {
        if packed.heads.len() + 1 >= plain {
            return None;
        }
        let rest = &bytes[at..];
        let rest = &rest[..rest.len().min(MOST)];
        let mut block = [0; BLOCK];
        let taken = match squeeze(rest, &mut block, options.compression) {
            // Also what keeps heads at least a block apart: the index has room
            // for one in each block of the file.
            Some((taken, length)) if taken > BLOCK => {
                packed.heads.push(Head { at, plain: false });
                // Zeros go in front, so that a kernel can unpack in place.
                packed.blocks.resize(packed.blocks.len() + BLOCK - length, 0);
                packed.blocks.extend_from_slice(&block[..length]);
                taken
            }
            _ => {
                let taken = rest.len().min(BLOCK);
                packed.heads.push(Head { at, plain: true });
                packed.blocks.extend_from_slice(&rest[..taken]);
                packed.blocks.resize(packed.blocks.len().next_multiple_of(BLOCK), 0);
                taken
            }
        };
        at += taken;
    }
    Some(packed)
}

/// Fills a block: how many bytes went in, and how many came out.
fn squeeze(
    bytes: &[u8],
    block: &mut [u8],
    compression: ErofsCompression,
) -> Option<(usize, usize)> {
    // A single block's worth can save nothing.
    if bytes.len() <= BLOCK {
        return None;
    }
    let filled = match compression {
        ErofsCompression::None => return None,
        ErofsCompression::Lz4 => lz4::compress_fill(bytes, block),
        ErofsCompression::Lz4Hc => lz4_hc::compress_fill(bytes, block, lz4_hc::CLEVEL_DEFAULT),
    };
    filled.ok().filter(|(_, length)| *length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(compression: ErofsCompression) -> ErofsOptions {
        ErofsOptions {
            label: String::new(),
            uuid: [1; 16],
            timestamp: 0,
            compression,
            inline_tails: true,
        }
    }

    #[test]
    fn every_block_gives_back_what_it_stands_for() {
        let text: Vec<u8> =
            (0..60_000u32).flat_map(|n| format!("{} ", n * n).into_bytes()).collect();
        for compression in [ErofsCompression::Lz4, ErofsCompression::Lz4Hc] {
            let packed = pack(&text, &options(compression)).unwrap();
            assert_eq!(packed.blocks.len(), packed.heads.len() * BLOCK);
            let mut back = Vec::new();
            for (number, (head, block)) in
                packed.heads.iter().zip(packed.blocks.chunks(BLOCK)).enumerate()
            {
                assert_eq!(head.at, back.len());
                let end = packed.heads.get(number + 1).map_or(text.len(), |next| next.at);
                let mut part = vec![0; end - head.at];
                if head.plain {
                    part.copy_from_slice(&block[..end - head.at]);
                } else {
                    let start = block.iter().position(|byte| *byte != 0).unwrap();
                    let last = number + 1 == packed.heads.len();
                    assert!(last || start < 64, "a block is not filled: {start}");
                    assert_eq!(lz4::decompress(&block[start..], &mut part).unwrap(), part.len());
                }
                back.extend_from_slice(&part);
            }
            assert!(back == text);
        }
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let mut state = 1u64;
        let noise: Vec<u8> = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u8::try_from(state >> 56).unwrap()
            })
            .collect();
        for bytes in [&noise[..], b"short", b"", &[0; BLOCK], &noise[..5000]] {
            assert!(pack(bytes, &options(ErofsCompression::Lz4Hc)).is_none());
        }
    }
}
