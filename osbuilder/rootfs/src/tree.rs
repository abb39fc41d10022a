//! The tree itself: a sorted map from path to inode, and the questions writers ask.
//!
//! One flat map of canonical paths keeps every order deterministic and makes
//! subtrees ranges. Rules about what may be written where live in `edit` and
//! `merge`; this file only keeps paths, inodes and link counts consistent.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::inode::{Inode, InodeId, Kind, Meta, Origin};
use crate::path;

/// A guest's file tree. Always has a root directory.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) paths: BTreeMap<String, InodeId>,
    pub(crate) slots: Vec<Option<Slot>>,
    /// What each merged package declared to replace, so that the outcome
    /// doesn't depend on the order of merging.
    pub(crate) replaces: BTreeMap<Arc<str>, Replaces>,
}

/// Whose files a package may overwrite.
#[derive(Clone, Debug)]
pub(crate) struct Replaces {
    /// Names of packages.
    pub(crate) names: Vec<String>,
    /// Decides between two packages that replace each other.
    pub(crate) priority: u32,
}

/// An inode with what the tree has to know about it.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) inode: Inode,
    /// How many paths name it.
    pub(crate) links: u32,
    /// A directory nobody described yet: it came to be because something
    /// lies below it. The first real entry decides its mode and owner.
    pub(crate) implied: bool,
}

/// What one origin brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginStats {
    /// Inodes of all kinds.
    pub inodes: usize,
    /// Bytes in regular files, each file once.
    pub bytes: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree that holds only its root: mode 0755, owned by root, time 0.
    #[must_use]
    pub fn new() -> Self {
        let root = Meta::root(0o755, Origin::Builder).inode(Kind::Directory);
        let slot = Slot { inode: root, links: 1, implied: true };
        Self {
            paths: BTreeMap::from([(String::new(), InodeId(0))]),
            slots: vec![Some(slot)],
            replaces: BTreeMap::new(),
        }
    }

    /// What is at exactly this path; symbolic links are not followed.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Inode> {
        self.id(path).map(|id| self.inode(id))
    }

    /// The inode at exactly this path.
    #[must_use]
    pub fn id(&self, path: &str) -> Option<InodeId> {
        self.paths.get(path.trim_matches('/')).copied()
    }

    /// Whether anything is at exactly this path.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.id(path).is_some()
    }

    /// The inode behind an id of this tree.
    ///
    /// # Panics
    ///
    /// When the id belongs to another tree or to something since removed.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.slot(id).inode
    }

    /// How many paths name the inode: the hard link count of a file, 1 for a
    /// directory.
    #[must_use]
    pub fn link_count(&self, id: InodeId) -> u32 {
        self.slot(id).links
    }

    /// Names and inodes directly inside a directory, sorted by bytes.
    pub fn children<'t>(
        &'t self,
        path: &str,
    ) -> impl Iterator<Item = (&'t str, InodeId)> + use<'t> {
        let directory = path.trim_matches('/');
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let cut = prefix.len();
        self.below(directory).filter_map(move |(path, id)| {
            let name = path.get(cut..)?;
            (!name.contains('/')).then_some((name, id))
        })
    }

    /// Everything, root (the empty path) first, sorted by the bytes of the
    /// path, so that a directory comes before what is in it.
    pub fn walk(&self) -> impl Iterator<Item = (&str, InodeId, &Inode)> {
        self.paths.iter().map(|(path, id)| (path.as_str(), *id, self.inode(*id)))
    }

    /// Number of paths, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether only the root is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.len() == 1
    }

    /// Bytes in regular files, a file with several links once.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.slots.iter().flatten().map(|slot| file_bytes(&slot.inode)).sum()
    }

    /// What each origin brought, in order of origin.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<Origin, OriginStats> {
        let mut stats: BTreeMap<Origin, OriginStats> = BTreeMap::new();
        for slot in self.slots.iter().flatten() {
            let entry = stats.entry(slot.inode.origin.clone()).or_default();
            entry.inodes += 1;
            entry.bytes += file_bytes(&slot.inode);
        }
        stats
    }

    /// Sets every modification time later than `max` to `max`.
    pub fn clamp_mtimes(&mut self, max: i64) {
        for slot in self.slots.iter_mut().flatten() {
            slot.inode.mtime = slot.inode.mtime.min(max);
        }
    }

    /// Paths below a canonical directory path, at any depth.
    pub(crate) fn below<'t>(
        &'t self,
        directory: &str,
    ) -> impl Iterator<Item = (&'t str, InodeId)> + use<'t> {
        // '0' is the byte after '/', so the range is exactly what starts with
        // `directory/`. Below the root it is everything but the root.
        let (start, end) = if directory.is_empty() {
            (Bound::Excluded(String::new()), Bound::Unbounded)
        } else {
            (Bound::Excluded(format!("{directory}/")), Bound::Excluded(format!("{directory}0")))
        };
        self.paths.range((start, end)).map(|(path, id)| (path.as_str(), *id))
    }

    pub(crate) fn slot(&self, id: InodeId) -> &Slot {
        let slot = self.slots.get(id.0).and_then(Option::as_ref);
        slot.expect("an inode id is used with the tree that gave it")
    }

    pub(crate) fn slot_mut(&mut self, id: InodeId) -> &mut Slot {
        let slot = self.slots.get_mut(id.0).and_then(Option::as_mut);
        slot.expect("an inode id is used with the tree that gave it")
    }

    /// Puts a new inode at a path, taking the place of what was there.
    pub(crate) fn insert(&mut self, path: &str, inode: Inode, implied: bool) -> InodeId {
        let id = InodeId(self.slots.len());
        self.slots.push(Some(Slot { inode, links: 0, implied }));
        self.link(path, id);
        id
    }

    /// Makes a path name an inode, taking the place of what was there.
    pub(crate) fn link(&mut self, path: &str, id: InodeId) {
        self.slot_mut(id).links += 1;
        if let Some(old) = self.paths.insert(path.to_owned(), id) {
            self.release(old);
        }
    }

    /// Takes one path out. What lies below it is the caller's concern.
    pub(crate) fn unlink(&mut self, path: &str) {
        if let Some(id) = self.paths.remove(path) {
            self.release(id);
        }
    }

    fn release(&mut self, id: InodeId) {
        let slot = self.slot_mut(id);
        slot.links -= 1;
        if slot.links == 0
            && let Some(place) = self.slots.get_mut(id.0)
        {
            *place = None;
        }
    }

    /// Makes the missing directories above a canonical path; they stay
    /// `implied` until somebody describes them. Returns how many were made.
    /// The caller has checked that what exists on the way are directories.
    pub(crate) fn imply_parents(&mut self, path: &str, mtime: i64, origin: &Origin) -> usize {
        if path::split(path).is_none_or(|(parent, _)| self.paths.contains_key(parent)) {
            return 0;
        }
        let missing: Vec<String> = path::ancestors(path)
            .filter(|ancestor| !self.paths.contains_key(*ancestor))
            .map(str::to_owned)
            .collect();
        for directory in &missing {
            let meta = Meta::root(0o755, origin.clone()).mtime(mtime);
            self.insert(directory, meta.inode(Kind::Directory), true);
        }
        missing.len()
    }
}

fn file_bytes(inode: &Inode) -> u64 {
    match &inode.kind {
        Kind::File(content) => content.len() as u64,
        _ => 0,
    }
}
