//! Extended attributes, behind the inode that they belong to.
//!
//! It must not know where the inode lies.

use std::collections::BTreeMap;

use crate::error::ImageError;
use crate::linux::namespace;

/// Bytes of the header in front of the entries.
const HEADER: usize = 12;
/// Bytes of the fixed part of an entry.
const ENTRY: usize = 4;

/// Encodes the attributes of the inode at `path`; nothing where it has none.
pub(super) fn encode(
    path: &str,
    xattrs: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<u8>, ImageError> {
    if xattrs.is_empty() {
        return Ok(Vec::new());
    }
    let too_large = || ImageError::XattrSpace(path.to_owned());
    // No filter of names, and none shared with other inodes.
    let mut bytes = vec![0; HEADER];
    for (full, value) in xattrs {
        let (index, name) = namespace(path, full)?;
        let length = u16::try_from(value.len()).map_err(|_| too_large())?;
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.push(index);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(ENTRY), 0);
    }
    // Linux lists no more than this for one file.
    if bytes.len() > 1 << 16 {
        return Err(too_large());
    }
    Ok(bytes)
}

/// What the inode says of the length of its attributes: the entries in words,
/// and one for the header.
pub(super) fn count(encoded: &[u8]) -> u16 {
    match encoded.len().checked_sub(HEADER) {
        Some(entries) => u16::try_from(entries / ENTRY + 1).unwrap_or(u16::MAX),
        None => 0,
    }
}
