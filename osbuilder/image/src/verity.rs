//! dm-verity: the tree of digests by which the guest's kernel checks every
//! block that it reads, down from one root digest that it is told.
//!
//! Format: hash type 1 (salt before data), SHA-256, blocks of 4096 bytes for
//! data and tree, no superblock; the kernel's documentation
//! `admin-guide/device-mapper/verity.rst` describes it. It must not know what
//! the data is, nor on which devices it will lie.

use std::io::{self, Read};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::ImageError;

/// Bytes of a block, of data and of the tree.
pub const BLOCK: usize = 4096;
/// Bytes of a digest.
const DIGEST: usize = 32;
/// Blocks read at a time: 8 MiB.
const BATCH: usize = 2048;
/// Most bytes of salt, the kernel's own limit.
pub const MAX_SALT: usize = 256;

/// The tree over some data, and what a kernel must be told to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerityTree {
    /// Digest that vouches for everything.
    pub root_hash: [u8; DIGEST],
    /// What every digest begins with.
    pub salt: Vec<u8>,
    /// Blocks of data, 4096 bytes each.
    pub data_blocks: u64,
    /// The tree's blocks, the top one first; empty over a single data block.
    pub tree: Vec<u8>,
}

/// Reads `data_bytes` of data, a multiple of 4096, and makes the tree over
/// them. The tree is held in memory; it is a 127th of the data.
///
/// # Errors
/// When the data ends early, is empty or not whole blocks, or the salt is
/// longer than [`MAX_SALT`].
pub fn format(data: impl Read, data_bytes: u64, salt: &[u8]) -> Result<VerityTree, ImageError> {
    if data_bytes == 0 || !data_bytes.is_multiple_of(BLOCK as u64) {
        return Err(ImageError::Option("dm-verity needs data in whole blocks of 4096 bytes"));
    }
    if salt.len() > MAX_SALT {
        return Err(ImageError::Option("a dm-verity salt has 256 bytes at most"));
    }
    let data_blocks = data_bytes / BLOCK as u64;
    let mut digests = read_digests(data, data_blocks, salt)?;
    let mut levels = Vec::new();
    while digests.len() > 1 {
        let level = blocks_of(&digests);
        digests = level.par_chunks(BLOCK).map(|block| digest(salt, block)).collect();
        levels.push(level);
    }
    // The kernel seeks the top level first, the one next to the data last.
    levels.reverse();
    Ok(VerityTree {
        root_hash: digests[0],
        salt: salt.to_owned(),
        data_blocks,
        tree: levels.concat(),
    })
}

fn read_digests(
    mut data: impl Read,
    data_blocks: u64,
    salt: &[u8],
) -> Result<Vec<[u8; DIGEST]>, ImageError> {
    let mut digests = Vec::new();
    let mut buffer = vec![0; BATCH * BLOCK];
    let mut left = usize::try_from(data_blocks).map_err(|_| ImageError::TooLarge)?;
    while left > 0 {
        let blocks = left.min(BATCH);
        let part = &mut buffer[..blocks * BLOCK];
        data.read_exact(part).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the data ends early"),
            _ => error,
        })?;
        digests.par_extend(part.par_chunks(BLOCK).map(|block| digest(salt, block)));
        left -= blocks;
    }
    Ok(digests)
}

fn digest(salt: &[u8], block: &[u8]) -> [u8; DIGEST] {
    Sha256::new_with_prefix(salt).chain_update(block).finalize().into()
}

/// Digests in whole blocks, the last one filled up with zeros.
fn blocks_of(digests: &[[u8; DIGEST]]) -> Vec<u8> {
    let mut bytes = digests.concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

impl VerityTree {
    /// What configuration files of the runtime call `kernel_verity_params`.
    #[must_use]
    pub fn parameters(&self) -> String {
        format!(
            "root_hash={},salt={},data_blocks={},data_block_size={BLOCK},hash_block_size={BLOCK}",
            hex::encode(self.root_hash),
            hex::encode(&self.salt),
            self.data_blocks,
        )
    }

    /// The value of the kernel parameter `dm-mod.create` that makes the device
    /// (`/dev/dm-0`) out of `data` and `hash`, device nodes of the guest.
    #[must_use]
    pub fn dm_create(&self, data: &str, hash: &str) -> String {
        let salt = if self.salt.is_empty() { "-".to_owned() } else { hex::encode(&self.salt) };
        format!(
            "dm-verity,,,ro,0 {} verity 1 {data} {hash} {BLOCK} {BLOCK} {} 0 sha256 {} {salt}",
            self.data_blocks * (BLOCK as u64 / 512),
            self.data_blocks,
            hex::encode(self.root_hash),
        )
    }
}
