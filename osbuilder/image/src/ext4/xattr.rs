//! Extended attributes: what fits goes into the inode, the rest into a block.
//!
//! It must not know where that block lies.

use std::collections::BTreeMap;

use super::{BlockSize, INODE_SIZE, low16, low32, set};
use crate::error::ImageError;
use crate::linux::namespace;

const MAGIC: u32 = 0xea02_0000;
/// Fixed part of an inode: 128 old bytes and 32 extra ones.
pub(super) const INODE_FIXED: usize = 160;
/// Header of an attribute block.
const BLOCK_HEADER: usize = 32;

/// Encoded attributes of one inode.
#[derive(Default)]
pub(super) struct Encoded {
    /// What follows the inode's fixed part; empty or exactly that long.
    pub(super) in_inode: Vec<u8>,
    /// A whole block, or empty.
    pub(super) block: Vec<u8>,
}

/// One attribute with its namespace as a number.
struct Attribute<'t> {
    index: u8,
    name: &'t [u8],
    value: &'t [u8],
}

impl Attribute<'_> {
    fn entry_size(&self) -> usize {
        (16 + self.name.len()).next_multiple_of(4)
    }

    fn size(&self) -> usize {
        self.entry_size() + self.value.len().next_multiple_of(4)
    }

    /// The hash readers check: name bytes, then the value's words.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        // A short last word counts as if padded with zeros.
        self.value.chunks(4).fold(name, |hash, word| {
            let word = word.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
            hash.rotate_left(16) ^ word
        })
    }
}

/// Encodes the attributes of the inode at `path`.
pub(super) fn encode(
    path: &str,
    xattrs: &BTreeMap<String, Vec<u8>>,
    block: BlockSize,
) -> Result<Encoded, ImageError> {
    if xattrs.is_empty() {
        return Ok(Encoded::default());
    }
    let mut attributes = Vec::with_capacity(xattrs.len());
    for (full, value) in xattrs {
        let (index, name) = namespace(path, full)?;
        attributes.push(Attribute { index, name, value });
    }
    // The order readers rely on when they search a block.
    attributes.sort_by_key(|attribute| (attribute.index, attribute.name.len(), attribute.name));

    // Four bytes of magic, four of terminator.
    let mut room = INODE_SIZE - INODE_FIXED - 8;
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for attribute in attributes {
        if attribute.size() <= room {
            room -= attribute.size();
            inside.push(attribute);
        } else {
            outside.push(attribute);
        }
    }
    let mut encoded = Encoded::default();
    if !inside.is_empty() {
        encoded.in_inode = vec![0; INODE_SIZE - INODE_FIXED];
        set(&mut encoded.in_inode, 0, &MAGIC.to_le_bytes());
        // Value offsets count from the first entry in an inode.
        write(&mut encoded.in_inode[4..], 0, &inside);
    }
    if !outside.is_empty() {
        let size: usize = outside.iter().map(Attribute::size).sum();
        if size > block.length() - BLOCK_HEADER - 4 {
            return Err(ImageError::XattrSpace(path.to_owned()));
        }
        encoded.block = vec![0; block.length()];
        set(&mut encoded.block, 0, &MAGIC.to_le_bytes());
        // One user, one block.
        set(&mut encoded.block, 4, &1u32.to_le_bytes());
        set(&mut encoded.block, 8, &1u32.to_le_bytes());
        let hash = outside.iter().fold(0u32, |hash, one| hash.rotate_left(16) ^ one.hash());
        set(&mut encoded.block, 12, &hash.to_le_bytes());
        // Here they count from the block's start.
        write(&mut encoded.block, BLOCK_HEADER, &outside);
    }
    Ok(encoded)
}

/// Entries grow from `first` up, values from the end down.
fn write(area: &mut [u8], first: usize, attributes: &[Attribute<'_>]) {
    let (mut entry, mut value) = (first, area.len());
    for attribute in attributes {
        value -= attribute.value.len().next_multiple_of(4);
        let name_length = u8::try_from(attribute.name.len()).unwrap_or(u8::MAX);
        set(area, entry, &[name_length, attribute.index]);
        let offset = if attribute.value.is_empty() { 0 } else { low16(value as u64) };
        set(area, entry + 2, &offset.to_le_bytes());
        set(area, entry + 8, &low32(attribute.value.len() as u64).to_le_bytes());
        set(area, entry + 12, &attribute.hash().to_le_bytes());
        set(area, entry + 16, attribute.name);
        set(area, value, attribute.value);
        entry += attribute.entry_size();
    }
}
