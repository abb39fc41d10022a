//! Why an image could not be written; one enum for all writers.
//!
//! It must not know any writer's inner types.

use std::io;

/// Why an image could not be written. The output is then incomplete and must
/// be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The output refused bytes: disk full, most often.
    #[error("the image can't be written")]
    Write(#[from] io::Error),
    /// A file the format can't hold.
    #[error("`{path}` has {size} bytes; {format} files end at {max} bytes")]
    FileTooLarge {
        /// Path in the tree.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The format.
        format: &'static str,
        /// Most bytes the format can hold.
        max: u64,
    },
    /// A symbolic link's text does not fit a block.
    #[error("the symbolic link `{path}` has {size} bytes; with this block size it may have {max}")]
    SymlinkTooLong {
        /// Path in the tree.
        path: String,
        /// Its length in bytes.
        size: u64,
        /// Most bytes a link can have.
        max: u64,
    },
    /// A device number the format can't hold.
    #[error(
        "device number {major}:{minor} of `{path}` is out of range (major up to 4095, minor up to 1048575)"
    )]
    DeviceNumber {
        /// Path in the tree.
        path: String,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// An extended attribute whose namespace the writer can't store.
    #[error(
        "extended attribute `{name}` of `{path}` can't be stored; known namespaces: user, trusted, security"
    )]
    XattrName {
        /// Path in the tree.
        path: String,
        /// The attribute's full name.
        name: String,
    },
    /// Extended attributes that don't fit.
    #[error(
        "the extended attributes of `{0}` are larger than the file system can hold for one file"
    )]
    XattrSpace(String),
    /// Too many names for one file.
    #[error("`{path}` has {links} hard links; ext4 allows 65000")]
    Links {
        /// One of its paths.
        path: String,
        /// How many there are.
        links: u64,
    },
    /// `lost+found` is there but no directory.
    #[error("`lost+found` is in the tree but is no directory; remove it, the writer makes it")]
    LostAndFound,
    /// More blocks or inodes than 32 bits can count.
    #[error("the file system would be larger than 16 TiB or 2^32 inodes")]
    TooLarge,
    /// An option out of range.
    #[error("{0}")]
    Option(&'static str),
}
