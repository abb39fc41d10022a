//! An inode, its attributes, and the index of a compressed file behind it.
//!
//! It must not know how slots and blocks are given out.

use rootfs::Kind;

use super::layout::Place;
use super::nodes::Node;
use super::{ErofsOptions, index, xattr};
use crate::error::ImageError;
use crate::linux::{device, type_bits};

/// Bytes of the small form, and of the one with 32-bit owners and a time.
const COMPACT: usize = 32;
const EXTENDED: usize = 64;

/// How contents are stored, as the format numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataLayout {
    Plain = 0,
    Inline = 2,
    Packed = 3,
}

/// Bytes of the inode itself.
pub(super) fn fixed_bytes(node: &Node<'_>, options: &ErofsOptions) -> usize {
    let inode = node.inode;
    let small = u32::try_from(node.body.size()).is_ok()
        && u16::try_from(node.links).is_ok()
        && u16::try_from(inode.uid).is_ok()
        && u16::try_from(inode.gid).is_ok()
        && inode.mtime == options.timestamp;
    if small { COMPACT } else { EXTENDED }
}

/// Bytes from the inode's start to where its inline contents may begin.
pub(super) fn total_bytes(node: &Node<'_>, options: &ErofsOptions) -> usize {
    let before = fixed_bytes(node, options) + node.xattrs.len();
    match node.body.packed() {
        Some(_) => before.next_multiple_of(8) + index::length(before, node.body.size()),
        None => before,
    }
}

/// Everything but inline contents.
pub(super) fn encode(
    node: &Node<'_>,
    place: &Place,
    options: &ErofsOptions,
) -> Result<Vec<u8>, ImageError> {
    let inode = node.inode;
    let fixed = fixed_bytes(node, options);
    let mut bytes = Vec::with_capacity(total_bytes(node, options));
    let format = u16::from(fixed == EXTENDED) | (place.layout as u16) << 1;
    let mode = type_bits(&inode.kind) | (inode.mode & 0o7777);
    // Where contents begin, which device it is, or how many blocks are packed.
    let word = match (&inode.kind, node.body.packed()) {
        (Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor }, _) => {
            device(node.path, *major, *minor)?
        }
        (_, Some(packed)) => packed.count(),
        _ => place.block,
    };
    let size = node.body.size() as u64;
    let short = |number: u32| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes();
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes.extend_from_slice(&xattr::count(&node.xattrs).to_le_bytes());
    bytes.extend_from_slice(&short(mode));
    if fixed == COMPACT {
        bytes.extend_from_slice(&short(node.links));
        bytes.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&word.to_le_bytes());
        bytes.extend_from_slice(&place.serial.to_le_bytes());
        bytes.extend_from_slice(&short(inode.uid));
        bytes.extend_from_slice(&short(inode.gid));
    } else {
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&word.to_le_bytes());
        bytes.extend_from_slice(&place.serial.to_le_bytes());
        bytes.extend_from_slice(&inode.uid.to_le_bytes());
        bytes.extend_from_slice(&inode.gid.to_le_bytes());
        bytes.extend_from_slice(&inode.mtime.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&node.links.to_le_bytes());
    }
    bytes.resize(fixed, 0);
    bytes.extend_from_slice(&node.xattrs);
    if let Some(packed) = node.body.packed() {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend_from_slice(&index::encode(
            fixed + node.xattrs.len(),
            packed,
            node.body.size(),
            place.block,
        ));
    }
    Ok(bytes)
}
