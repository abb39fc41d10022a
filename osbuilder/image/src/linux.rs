//! Numbers that ext4 and erofs share, since both keep what Linux hands them:
//! type bits, type bytes of directory entries, device numbers, namespaces of
//! extended attributes.
//!
//! It must not know either format.

use rootfs::Kind;

use crate::error::ImageError;

/// The type byte of a directory.
pub(crate) const TYPE_DIRECTORY: u8 = 2;

/// The type byte that a directory entry carries.
pub(crate) fn file_type(kind: &Kind) -> u8 {
    match kind {
        Kind::File(_) => 1,
        Kind::Directory => TYPE_DIRECTORY,
        Kind::CharDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Symlink(_) => 7,
    }
}

/// The type bits of a mode.
pub(crate) fn type_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => 0o040_000,
        Kind::File(_) => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::Fifo => 0o010_000,
    }
}

/// A device number in the 32 bits that hold 12 of the driver's and 20 of the
/// device's.
pub(crate) fn device(path: &str, major: u32, minor: u32) -> Result<u32, ImageError> {
    if major > 0xfff || minor > 0xf_ffff {
        return Err(ImageError::DeviceNumber { path: path.to_owned(), major, minor });
    }
    Ok((minor & 0xff) | major << 8 | (minor & !0xff) << 12)
}

/// An extended attribute's name as a number for its namespace and the rest.
pub(crate) fn namespace<'n>(path: &str, full: &'n str) -> Result<(u8, &'n [u8]), ImageError> {
    let known = [("user.", 1u8), ("trusted.", 4), ("security.", 6)];
    known
        .iter()
        .find_map(|(prefix, index)| {
            full.strip_prefix(prefix).filter(|name| !name.is_empty()).map(|name| (*index, name))
        })
        .filter(|(_, name)| name.len() <= 255)
        .map(|(index, name)| (index, name.as_bytes()))
        .ok_or_else(|| ImageError::XattrName { path: path.to_owned(), name: full.to_owned() })
}
