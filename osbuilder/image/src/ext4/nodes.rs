//! Inode numbers, directory contents and everything else about the tree that
//! doesn't depend on where blocks lie.

use std::collections::BTreeMap;

use rootfs::{Inode, InodeId, Kind, Origin, Tree};

use super::directory::{self, Name};
use super::{BlockSize, xattr};
use crate::error::ImageError;
use crate::linux::{TYPE_DIRECTORY, file_type};

/// Number of the root directory.
const ROOT: u32 = 2;
/// Number of `lost+found`, the first that isn't reserved.
const LOST_AND_FOUND: u32 = 11;
/// Most names or subdirectories the link count can tell.
const MAX_LINKS: u64 = 65_000;
/// Longest symbolic link that fits into the inode, in bytes.
const FAST_SYMLINK: usize = 59;

/// The bytes of an inode that need blocks.
pub(super) enum Data<'t> {
    /// None: devices, pipes, short links, empty files.
    None,
    /// Made here: directories, long links.
    Made(Vec<u8>),
    /// A file's, still in its package.
    File(&'t [u8]),
}

impl Data<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Made(bytes) => bytes,
            Self::File(bytes) => bytes,
        }
    }

    pub(super) fn blocks(&self, size: BlockSize) -> u64 {
        (self.bytes().len() as u64).div_ceil(size.bytes())
    }
}

/// One inode ready for layout.
pub(super) struct Node<'t> {
    pub(super) number: u32,
    pub(super) path: &'t str,
    pub(super) inode: &'t Inode,
    pub(super) links: u64,
    pub(super) data: Data<'t>,
    pub(super) xattrs: xattr::Encoded,
}

/// All inodes of the tree, in order of number.
pub(super) struct Nodes<'t> {
    pub(super) list: Vec<Node<'t>>,
    /// `lost+found` when the tree has none: inode and bytes.
    lost_and_found: Option<(Inode, Vec<u8>)>,
    /// Highest number in use.
    pub(super) last: u32,
}

/// A directory while names are gathered.
struct Folder<'t> {
    parent: u32,
    names: Vec<Name<'t>>,
    subfolders: u64,
}

impl<'t> Nodes<'t> {
    pub(super) fn of(tree: &'t Tree, block: BlockSize, timestamp: i64) -> Result<Self, ImageError> {
        let mut numbers: BTreeMap<InodeId, u32> = BTreeMap::new();
        let mut firsts: Vec<(u32, &str, InodeId)> = Vec::new();
        let mut folders: BTreeMap<&str, Folder<'t>> = BTreeMap::new();
        let mut last = LOST_AND_FOUND;
        for (path, id, inode) in tree.walk() {
            let new = |number: &mut u32| {
                *number = number.checked_add(1).ok_or(ImageError::TooLarge)?;
                Ok::<_, ImageError>(*number)
            };
            let number = match (numbers.get(&id), path) {
                (Some(number), _) => *number,
                (None, "") => ROOT,
                (None, "lost+found") => LOST_AND_FOUND,
                (None, _) => new(&mut last)?,
            };
            if numbers.insert(id, number).is_none() {
                firsts.push((number, path, id));
            }
            let is_directory = inode.kind.is_directory();
            if path == "lost+found" && !is_directory {
                return Err(ImageError::LostAndFound);
            }
            let mut parent = ROOT;
            if !path.is_empty() {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                // `walk` gives a directory before what is in it.
                if let Some(folder) = folders.get_mut(above) {
                    let file_type = file_type(&inode.kind);
                    folder.names.push(Name { name, inode: number, file_type });
                    folder.subfolders += u64::from(is_directory);
                }
                let above = tree.id(above).and_then(|id| numbers.get(&id));
                parent = above.copied().unwrap_or(ROOT);
            }
            if is_directory {
                folders.insert(path, Folder { parent, names: Vec::new(), subfolders: 0 });
            }
        }
        let lost_and_found = if tree.exists("lost+found") {
            None
        } else {
            Some(make_lost_and_found(block, timestamp, &mut folders))
        };
        let mut list = Vec::with_capacity(firsts.len());
        for (number, path, id) in firsts {
            let links = u64::from(tree.link_count(id));
            list.push(node(block, number, path, tree.inode(id), links, folders.get(path))?);
        }
        list.sort_by_key(|node| node.number);
        Ok(Self { list, lost_and_found, last })
    }

    /// Directories in the group of an inode table, by inode number.
    pub(super) fn directories(&self) -> impl Iterator<Item = u32> {
        let made = self.lost_and_found.as_ref().map(|_| LOST_AND_FOUND);
        let own = self.list.iter().filter(|node| node.inode.kind.is_directory());
        own.map(|node| node.number).chain(made)
    }

    /// The number and data of `lost+found`, if it was made here.
    pub(super) fn made_lost_and_found(&self) -> Option<(u32, &Inode, &[u8])> {
        let (inode, data) = self.lost_and_found.as_ref()?;
        Some((LOST_AND_FOUND, inode, data))
    }
}

/// Every ext4 has this directory; checkers look for it.
fn make_lost_and_found(
    block: BlockSize,
    timestamp: i64,
    folders: &mut BTreeMap<&str, Folder<'_>>,
) -> (Inode, Vec<u8>) {
    if let Some(root) = folders.get_mut("") {
        let entry = Name { name: "lost+found", inode: LOST_AND_FOUND, file_type: TYPE_DIRECTORY };
        let at = root.names.partition_point(|name| name.name < "lost+found");
        root.names.insert(at, entry);
        root.subfolders += 1;
    }
    let inode = Inode {
        kind: Kind::Directory,
        mode: 0o700,
        uid: 0,
        gid: 0,
        mtime: timestamp,
        xattrs: BTreeMap::new(),
        origin: Origin::Builder,
    };
    (inode, directory::encode(LOST_AND_FOUND, ROOT, &[], block))
}

fn node<'t>(
    block: BlockSize,
    number: u32,
    path: &'t str,
    inode: &'t Inode,
    links: u64,
    folder: Option<&Folder<'t>>,
) -> Result<Node<'t>, ImageError> {
    let mut links = links;
    let data = match (&inode.kind, folder) {
        (Kind::Directory, Some(folder)) => {
            links = 2 + folder.subfolders;
            // One link means "too many to count" for directories.
            links = if links > MAX_LINKS { 1 } else { links };
            Data::Made(directory::encode(number, folder.parent, &folder.names, block))
        }
        (Kind::File(content), _) if !content.is_empty() => Data::File(content.as_slice()),
        // A link's text must end within its one block.
        (Kind::Symlink(target), _) if target.len() >= block.length() => {
            let (size, max) = (target.len() as u64, block.bytes() - 1);
            return Err(ImageError::SymlinkTooLong { path: path.to_owned(), size, max });
        }
        (Kind::Symlink(target), _) if target.len() > FAST_SYMLINK => {
            Data::Made(target.as_bytes().to_vec())
        }
        _ => Data::None,
    };
    if links > MAX_LINKS {
        return Err(ImageError::Links { path: path.to_owned(), links });
    }
    // Logical block numbers are 32 bits, and four leaves hold far less.
    let max = 128 << 30;
    let size = data.bytes().len() as u64;
    if size > max {
        return Err(ImageError::FileTooLarge { path: path.to_owned(), size, format: "ext4", max });
    }
    let xattrs = xattr::encode(path, &inode.xattrs, block)?;
    Ok(Node { number, path, inode, links, data, xattrs })
}
