//! What a recipe and the builder do to a tree: put, link, change, remove.
//!
//! Unlike packages these callers are trusted to overwrite files and may write
//! `/bin/x` where `/bin` is a link: links among the parents are followed
//! inside the tree, the last component never is. It must not know archives.

use crate::content::Content;
use crate::inode::{Inode, InodeId, Kind, Meta};
use crate::lookup::ResolveError;
use crate::path::{self, PathError};
use crate::pattern::{PatternError, Patterns};
use crate::tree::Tree;

/// Why a change of the tree was refused.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The path itself is no good.
    #[error("`{path}` can't be used")]
    Path {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// The way to the path doesn't work out.
    #[error("`{path}` can't be reached in the tree")]
    Resolve {
        /// As it was given.
        path: String,
        /// What is in the way.
        source: ResolveError,
    },
    /// Something is there that can't be written over.
    #[error(
        "`{path}` is {there} (from {origin}) and can't be replaced by {wanted}; remove it first"
    )]
    Occupied {
        /// The canonical path.
        path: String,
        /// What is there.
        there: &'static str,
        /// Who brought what is there.
        origin: crate::Origin,
        /// What was to be put there.
        wanted: &'static str,
    },
    /// Nothing is at the path.
    #[error("`{0}` is not in the tree")]
    Missing(String),
    /// A hard link to something other than a file.
    #[error("`{path}` is {kind}; only files can have hard links")]
    LinkTarget {
        /// The target's path.
        path: String,
        /// What is there.
        kind: &'static str,
    },
    /// An extended attribute's name or value is out of bounds.
    #[error(
        "extended attribute `{name}` needs a name of 1 to 255 bytes with a namespace, and at most 65,536 bytes of value"
    )]
    Xattr {
        /// As it was given.
        name: String,
    },
}

/// Largest extended attribute value Linux takes, in bytes.
pub(crate) const XATTR_VALUE_MAX: usize = 65_536;

/// Whether an extended attribute could exist in a running guest.
pub(crate) fn xattr_is_valid(name: &str, value: &[u8]) -> bool {
    name.len() <= 255
        && !name.contains('\0')
        && name.split_once('.').is_some_and(|(space, rest)| !space.is_empty() && !rest.is_empty())
        && value.len() <= XATTR_VALUE_MAX
}

impl Tree {
    /// Puts a regular file; a file, link or device there is replaced.
    ///
    /// # Errors
    ///
    /// A bad path, or a directory there.
    pub fn put_file(
        &mut self,
        path: &str,
        content: impl Into<Content>,
        meta: Meta,
    ) -> Result<InodeId, EditError> {
        self.put(path, meta.inode(Kind::File(content.into())))
    }

    /// Puts a directory; one that is there keeps its entries and gets this
    /// mode, owner, time and origin.
    ///
    /// # Errors
    ///
    /// A bad path, or something other than a directory there.
    pub fn put_directory(&mut self, path: &str, meta: Meta) -> Result<InodeId, EditError> {
        self.put(path, meta.inode(Kind::Directory))
    }

    /// Puts a symbolic link with this text; a file, link or device there is
    /// replaced. The mode is always 0777, as Linux has it.
    ///
    /// # Errors
    ///
    /// A bad path, or a directory there.
    pub fn put_symlink(
        &mut self,
        path: &str,
        target: &str,
        meta: Meta,
    ) -> Result<InodeId, EditError> {
        if target.is_empty() || target.len() > 4095 || target.contains('\0') {
            let source = if target.contains('\0') { PathError::Nul } else { PathError::TooLong };
            return Err(EditError::Path { path: target.to_owned(), source });
        }
        let mut inode = meta.inode(Kind::Symlink(target.to_owned()));
        inode.mode = 0o777;
        self.put(path, inode)
    }

    /// Puts a device node or named pipe (any [`Kind`] is taken).
    ///
    /// # Errors
    ///
    /// A bad path, or a directory there.
    pub fn put_device(&mut self, path: &str, kind: Kind, meta: Meta) -> Result<InodeId, EditError> {
        self.put(path, meta.inode(kind))
    }

    /// Makes `path` another name of the file at `target`.
    ///
    /// # Errors
    ///
    /// A bad path, a target that is missing or no file, a directory at `path`.
    pub fn put_hard_link(&mut self, path: &str, target: &str) -> Result<InodeId, EditError> {
        let from = self.place(target)?;
        let id = self.id(&from).ok_or_else(|| EditError::Missing(from.clone()))?;
        let inode = self.inode(id);
        if !matches!(inode.kind, Kind::File(_)) {
            return Err(EditError::LinkTarget { path: from, kind: inode.kind.describe() });
        }
        let (mtime, origin) = (inode.mtime, inode.origin.clone());
        let to = self.place(path)?;
        self.check_room(&to, &Kind::Fifo, "a hard link")?;
        self.imply_parents(&to, mtime, &origin);
        self.link(&to, id);
        Ok(id)
    }

    /// Changes the owner of what is at a path (and of its other hard links).
    ///
    /// # Errors
    ///
    /// Nothing there.
    pub fn set_owner(&mut self, path: &str, uid: u32, gid: u32) -> Result<(), EditError> {
        let inode = self.change(path)?;
        inode.uid = uid;
        inode.gid = gid;
        Ok(())
    }

    /// Changes the permission bits (`0o7777`) of what is at a path.
    ///
    /// # Errors
    ///
    /// Nothing there.
    pub fn set_mode(&mut self, path: &str, mode: u32) -> Result<(), EditError> {
        self.change(path)?.mode = mode & 0o7777;
        Ok(())
    }

    /// Sets an extended attribute by its full name, such as
    /// `security.capability`.
    ///
    /// # Errors
    ///
    /// Nothing there, or a name or value Linux wouldn't take.
    pub fn set_xattr(&mut self, path: &str, name: &str, value: Vec<u8>) -> Result<(), EditError> {
        if !xattr_is_valid(name, &value) {
            return Err(EditError::Xattr { name: name.to_owned() });
        }
        self.change(path)?.xattrs.insert(name.to_owned(), value);
        Ok(())
    }

    /// Removes what is at a path, with everything below it. Returns how many
    /// paths went; 0 when nothing was there. The root only loses its entries.
    ///
    /// # Errors
    ///
    /// A bad path.
    pub fn remove(&mut self, path: &str) -> Result<usize, EditError> {
        let place = match self.place_or_root(path) {
            Err(EditError::Resolve { source: ResolveError::NotADirectory { .. }, .. }) => {
                return Ok(0);
            }
            other => other?,
        };
        let mut doomed: Vec<String> = self.below(&place).map(|(path, _)| path.to_owned()).collect();
        if !place.is_empty() && self.paths.contains_key(&place) {
            doomed.push(place);
        }
        for path in &doomed {
            self.unlink(path);
        }
        Ok(doomed.len())
    }

    /// Removes what the patterns cover (see [`Patterns`]). A directory that
    /// still holds something kept by a `!` pattern stays. Returns how many
    /// paths went.
    ///
    /// # Errors
    ///
    /// A pattern that can't be read.
    pub fn remove_matching(&mut self, patterns: &[String]) -> Result<usize, PatternError> {
        let patterns = Patterns::compile(patterns)?;
        // Children sort after their directory, so backwards means that a
        // directory is looked at when its entries have been decided.
        let covered: Vec<String> = self
            .paths
            .keys()
            .rev()
            .filter(|path| !path.is_empty() && patterns.cover(path))
            .cloned()
            .collect();
        let mut removed = 0;
        for path in covered {
            if self.below(&path).next().is_none() {
                self.unlink(&path);
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn put(&mut self, path: &str, inode: Inode) -> Result<InodeId, EditError> {
        if inode.kind.is_directory() {
            let place = self.place_or_root(path)?;
            // A link to a directory is as good as the directory when asked to
            // make one: `/var/run` may be a link to `/run`.
            let place = match self.follow(&place, true) {
                Ok((real, false)) if self.is_directory(&real) => real,
                _ => place,
            };
            self.check_room(&place, &inode.kind, inode.kind.describe())?;
            if let Some(id) = self.id(&place) {
                let slot = self.slot_mut(id);
                slot.inode = Inode { xattrs: std::mem::take(&mut slot.inode.xattrs), ..inode };
                slot.implied = false;
                return Ok(id);
            }
            self.imply_parents(&place, inode.mtime, &inode.origin);
            return Ok(self.insert(&place, inode, false));
        }
        let place = self.place(path)?;
        self.check_room(&place, &inode.kind, inode.kind.describe())?;
        self.imply_parents(&place, inode.mtime, &inode.origin);
        Ok(self.insert(&place, inode, false))
    }

    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.get(path).is_some_and(|inode| inode.kind.is_directory())
    }

    /// Directories and everything else don't take each other's place.
    fn check_room(&self, path: &str, kind: &Kind, wanted: &'static str) -> Result<(), EditError> {
        match self.get(path) {
            Some(there) if there.kind.is_directory() != kind.is_directory() => {
                Err(EditError::Occupied {
                    path: path.to_owned(),
                    there: there.kind.describe(),
                    origin: there.origin.clone(),
                    wanted,
                })
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, path: &str) -> Result<&mut Inode, EditError> {
        let place = self.place_or_root(path)?;
        let id = self.id(&place).ok_or(EditError::Missing(place))?;
        Ok(&mut self.slot_mut(id).inode)
    }

    /// Where a given path is once links among its parents are followed.
    fn place(&self, given: &str) -> Result<String, EditError> {
        let place = self.place_or_root(given)?;
        if place.is_empty() {
            return Err(EditError::Path { path: given.to_owned(), source: PathError::Root });
        }
        Ok(place)
    }

    fn place_or_root(&self, given: &str) -> Result<String, EditError> {
        let bad_path = |source| EditError::Path { path: given.to_owned(), source };
        let canonical = path::given_path(given).map_err(bad_path)?;
        let (place, _) = self
            .follow(&canonical, false)
            .map_err(|source| EditError::Resolve { path: given.to_owned(), source })?;
        // Links can make a path longer than the one given.
        path::given_path(&place).map_err(bad_path)
    }
}
