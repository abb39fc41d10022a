//! What a tree holds at a path: an inode with its kind, owner, mode and origin.
//!
//! Plain data, no rules. It must not know how inodes are named or stored.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::content::Content;

/// Names an inode inside one tree. Several paths of one file share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub(crate) usize);

/// One file, directory, link or device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// What it is, with its bytes, target or device number.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky: `0o7777`.
    pub mode: u32,
    /// Owning user in the guest.
    pub uid: u32,
    /// Owning group in the guest.
    pub gid: u32,
    /// Last modification, seconds since 1970 UTC.
    pub mtime: i64,
    /// Extended attributes by full name, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Who brought it.
    pub origin: Origin,
}

/// The kinds of inode a guest tree may hold. Sockets are made by programs at
/// run time and have no place in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory; its entries are the tree's paths below it.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link; the text is kept as it is and never followed while
    /// packages are merged.
    Symlink(String),
    /// A character device.
    CharDevice {
        /// Driver number.
        major: u32,
        /// Number within the driver.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Driver number.
        major: u32,
        /// Number within the driver.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl Kind {
    /// The kind in words, for messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::CharDevice { .. } => "a character device",
            Self::BlockDevice { .. } => "a block device",
            Self::Fifo => "a named pipe",
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory)
    }
}

/// Who brought an inode into the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A package, by its name.
    Package(Arc<str>),
    /// The recipe, by what in it (such as `files: etc/motd`).
    Recipe(Arc<str>),
    /// The builder itself: the agent, the manifest, mount points.
    Builder,
}

impl Origin {
    /// Short for the origin of a package's files.
    #[must_use]
    pub fn package(name: &str) -> Self {
        Self::Package(Arc::from(name))
    }

    /// Short for the origin of what a recipe asks for.
    #[must_use]
    pub fn recipe(what: &str) -> Self {
        Self::Recipe(Arc::from(what))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(name) => write!(formatter, "package {name}"),
            Self::Recipe(what) => write!(formatter, "recipe ({what})"),
            Self::Builder => formatter.write_str("the builder"),
        }
    }
}

/// Mode, owner, time and origin of something put into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Last modification, seconds since 1970 UTC.
    pub mtime: i64,
    /// Who asked for it.
    pub origin: Origin,
}

impl Meta {
    /// Owned by root, modified at time zero.
    #[must_use]
    pub fn root(mode: u32, origin: Origin) -> Self {
        Self { mode, uid: 0, gid: 0, mtime: 0, origin }
    }

    /// The same with another owner.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    /// The same with another modification time.
    #[must_use]
    pub fn mtime(mut self, seconds: i64) -> Self {
        self.mtime = seconds;
        self
    }

    pub(crate) fn inode(self, kind: Kind) -> Inode {
        Inode {
            kind,
            mode: self.mode & 0o7777,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            xattrs: BTreeMap::new(),
            origin: self.origin,
        }
    }
}
