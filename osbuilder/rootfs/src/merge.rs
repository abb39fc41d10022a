//! Merging packages into the tree: what may land where, and who may overwrite whom.
//!
//! Package contents are untrusted. They never leave the tree, never write
//! through a symbolic link that is not a known alias (`bin` → `usr/bin`), and
//! never take another package's place unless that was declared. It must not
//! know package formats beyond a list of entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::content::Content;
use crate::edit::xattr_is_valid;
use crate::inode::{Inode, Kind, Meta, Origin};
use crate::path::{self, PathError};
use crate::pattern::Patterns;
use crate::tar::{Reader, TarError};
use crate::tree::Tree;

/// One member of a package's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path as the archive has it, relative to the root.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Last modification, seconds since 1970 UTC.
    pub mtime: i64,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The kinds a package may bring. Devices are for recipes to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with this text.
    Symlink(String),
    /// Another name of a file that is in the tree already.
    HardLink(String),
}

/// Rules for merging one package.
#[derive(Clone, Debug, Default)]
pub struct MergeRules {
    /// Links of a merged /usr: directory that is a link, and the directory it
    /// points to, such as `("bin", "usr/bin")`. Entries below such a link land
    /// in its target; any other link on the way is refused.
    pub aliases: Vec<(String, String)>,
    /// Names of packages whose files this package may overwrite.
    pub replaces: Vec<String>,
    /// What to leave out, so that it never costs memory.
    pub exclude: Patterns,
    /// How much one archive may bring.
    pub limits: Limits,
}

/// Upper bounds for one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries, excluded ones and implied directories included.
    pub max_entries: usize,
    /// Bytes in files.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 500,000 entries and 4 GiB: far above any package, far below trouble.
    fn default() -> Self {
        Self { max_entries: 500_000, max_bytes: 4 << 30 }
    }
}

/// A package that was refused: who, where and why. The tree is then half
/// merged and must be thrown away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin} can't be merged{}", at(path))]
pub struct MergeError {
    /// Who brought the entry.
    pub origin: Origin,
    /// The entry's path as the archive has it; empty when the archive itself
    /// can't be read.
    pub path: String,
    /// What is wrong.
    #[source]
    pub problem: MergeProblem,
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" because of `{path}`") }
}

/// Why an entry was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeProblem {
    /// The archive can't be read.
    #[error(transparent)]
    Archive(#[from] TarError),
    /// The path is no good.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The target of a hard link is no good.
    #[error("hard link target `{target}` is no usable path")]
    HardLinkPath {
        /// As the archive has it.
        target: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// The way leads through a symbolic link that is no alias.
    #[error("it would be written through the symbolic link `{link}` (from {origin})")]
    ThroughSymlink {
        /// The link in the tree.
        link: String,
        /// Who brought the link.
        origin: Origin,
    },
    /// The way leads through something that is no directory.
    #[error("`{path}` on the way is {kind} (from {origin})")]
    NotADirectory {
        /// What is in the way.
        path: String,
        /// Its kind in words.
        kind: &'static str,
        /// Who brought it.
        origin: Origin,
    },
    /// A hard link to something that isn't in the tree.
    #[error("hard link target `{0}` is not in the tree")]
    HardLinkMissing(String),
    /// A hard link to something other than a file.
    #[error("hard link target `{target}` is {kind}, not a file")]
    HardLinkKind {
        /// The target.
        target: String,
        /// What it is.
        kind: &'static str,
    },
    /// The archive has the path twice.
    #[error("the package brings `{0}` more than once")]
    Duplicate(String),
    /// Another package's file is there.
    #[error("`{path}` belongs to {owner} already, with other content or mode")]
    Conflict {
        /// The canonical path.
        path: String,
        /// Who brought what is there.
        owner: Origin,
    },
    /// A directory and something else at one path.
    #[error("`{path}` is {there} (from {owner}) and would become {incoming}")]
    KindConflict {
        /// The canonical path.
        path: String,
        /// What is there.
        there: &'static str,
        /// Who brought it.
        owner: Origin,
        /// What the entry is.
        incoming: &'static str,
    },
    /// An extended attribute no running guest could have.
    #[error("extended attribute `{0}` has an impossible name or value")]
    Xattr(String),
    /// A link text no running guest could have.
    #[error("the text of the symbolic link is empty, longer than 4095 bytes or holds a NUL byte")]
    LinkText,
    /// More than the limits allow.
    #[error("the package is over the limit of {} entries or {} bytes", .0.max_entries, .0.max_bytes)]
    Limit(Limits),
}

impl Tree {
    /// Merges a whole uncompressed tar archive. Contents stay ranges of the
    /// archive. On an error the tree is half merged: throw it away.
    ///
    /// # Errors
    ///
    /// The first entry that breaks a rule, with its origin and path.
    pub fn merge_tar(
        &mut self,
        tar: Arc<Vec<u8>>,
        origin: Origin,
        rules: &MergeRules,
    ) -> Result<(), MergeError> {
        let mut reader = Reader::new(tar);
        let mut merge = self.merge(origin.clone(), rules);
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) => merge.add(entry)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let problem = error.into();
                    return Err(MergeError { origin, path: String::new(), problem });
                }
            }
        }
    }

    /// Starts a merge whose entries the caller reads itself.
    pub fn merge<'t>(&'t mut self, origin: Origin, rules: &'t MergeRules) -> Merge<'t> {
        if let Origin::Package(name) = &origin {
            self.replaces.insert(Arc::clone(name), rules.replaces.clone());
        }
        Merge {
            tree: self,
            origin,
            rules,
            seen: BTreeSet::new(),
            left_out: BTreeMap::new(),
            stand_ins: BTreeMap::new(),
            entries: 0,
            bytes: 0,
        }
    }
}

/// One package being merged.
pub struct Merge<'t> {
    tree: &'t mut Tree,
    origin: Origin,
    rules: &'t MergeRules,
    /// What this archive brought, so that it can't bring it twice.
    seen: BTreeSet<String>,
    /// Files that were excluded: a hard link to one must still work.
    left_out: BTreeMap<String, Inode>,
    /// Excluded paths, and the path that names their file instead.
    stand_ins: BTreeMap<String, String>,
    entries: usize,
    bytes: u64,
}

impl Merge<'_> {
    /// Merges one entry.
    ///
    /// # Errors
    ///
    /// When it breaks a rule; the tree must then be thrown away.
    pub fn add(&mut self, entry: Entry) -> Result<(), MergeError> {
        let path = entry.path.clone();
        self.admit(entry).map_err(|problem| MergeError {
            origin: self.origin.clone(),
            path,
            problem,
        })
    }

    fn admit(&mut self, entry: Entry) -> Result<(), MergeProblem> {
        let given = path::archive_path(&entry.path)?;
        if let EntryKind::File(content) = &entry.kind {
            self.bytes = self.bytes.saturating_add(content.len() as u64);
        }
        self.count(1)?;
        for (name, value) in &entry.xattrs {
            if !xattr_is_valid(name, value) {
                return Err(MergeProblem::Xattr(name.clone()));
            }
        }
        let place = self.redirect(&given)?;
        let Entry { kind, mode, uid, gid, mtime, xattrs, .. } = entry;
        let meta = Meta { mode, uid, gid, mtime, origin: self.origin.clone() };
        let excluded = self.rules.exclude.cover(&place) || self.rules.exclude.cover(&given);
        let kind = match kind {
            EntryKind::Directory => Kind::Directory,
            EntryKind::File(content) => Kind::File(content),
            EntryKind::Symlink(text) => {
                if text.is_empty() || text.len() > 4095 || text.contains('\0') {
                    return Err(MergeProblem::LinkText);
                }
                Kind::Symlink(text)
            }
            EntryKind::HardLink(target) => return self.hard_link(&place, &target, excluded),
        };
        let inode = Inode { xattrs, ..meta.inode(kind) };
        if excluded {
            if !place.is_empty() && matches!(inode.kind, Kind::File(_)) {
                self.left_out.insert(place, inode);
            }
            return Ok(());
        }
        match &inode.kind {
            Kind::Directory => self.directory(&place, inode),
            Kind::Symlink(text) => {
                let text = text.clone();
                self.symlink(&place, inode, &text)
            }
            _ => self.leaf(&place, inode),
        }
    }

    fn count(&mut self, entries: usize) -> Result<(), MergeProblem> {
        self.entries = self.entries.saturating_add(entries);
        let limits = self.rules.limits;
        if self.entries > limits.max_entries || self.bytes > limits.max_bytes {
            return Err(MergeProblem::Limit(limits));
        }
        Ok(())
    }

    /// Where a path of the archive lands: aliases among its parents are
    /// followed, everything else on the way must be a directory or missing.
    fn redirect(&self, given: &str) -> Result<String, MergeProblem> {
        let mut path = given.to_owned();
        // Each turn follows one alias; more turns than aliases is a circle.
        for _ in 0..=self.rules.aliases.len() {
            let Some((link, origin)) = self.first_link(&path)? else {
                return Ok(path::archive_path(&path)?);
            };
            let Some(target) = self.alias_of(&link) else {
                return Err(MergeProblem::ThroughSymlink { link, origin });
            };
            path = path::join(target, path[link.len()..].trim_start_matches('/'));
        }
        Err(MergeProblem::ThroughSymlink { link: path, origin: self.origin.clone() })
    }

    /// The first symbolic link among the parents of a path.
    fn first_link(&self, path: &str) -> Result<Option<(String, Origin)>, MergeProblem> {
        for ancestor in path::ancestors(path) {
            let Some(inode) = self.tree.get(ancestor) else {
                return Ok(None);
            };
            match &inode.kind {
                Kind::Directory => {}
                Kind::Symlink(_) => return Ok(Some((ancestor.to_owned(), inode.origin.clone()))),
                other => {
                    return Err(MergeProblem::NotADirectory {
                        path: ancestor.to_owned(),
                        kind: other.describe(),
                        origin: inode.origin.clone(),
                    });
                }
            }
        }
        Ok(None)
    }

    /// The alias target of a link in the tree, when it is a known alias that
    /// really points there.
    fn alias_of(&self, link: &str) -> Option<&str> {
        match self.tree.get(link).map(|inode| &inode.kind) {
            Some(Kind::Symlink(text)) => self.alias_target(link, text),
            _ => None,
        }
    }

    fn alias_target(&self, link: &str, text: &str) -> Option<&str> {
        let (directory, _) = path::split(link)?;
        let target = path::lexical_target(directory, text);
        // A directory can't be a link to something inside itself.
        if target.is_empty() || target == link || target.starts_with(&format!("{link}/")) {
            return None;
        }
        let (_, known) = self.rules.aliases.iter().find(|(alias, known)| {
            alias.trim_matches('/') == link && known.trim_matches('/') == target
        })?;
        Some(known.trim_matches('/'))
    }

    fn directory(&mut self, place: &str, inode: Inode) -> Result<(), MergeProblem> {
        if let Some(id) = self.tree.id(place) {
            let from_recipe = !matches!(inode.origin, Origin::Package(_));
            let there = self.tree.slot_mut(id);
            if there.inode.kind.is_directory() {
                if there.implied || from_recipe {
                    there.inode = inode;
                    there.implied = false;
                }
                return Ok(());
            }
            if self.alias_of(place).is_some() {
                return Ok(());
            }
            return Err(self.kind_conflict(place, &inode.kind));
        }
        self.make_parents(place, &inode)?;
        self.tree.insert(place, inode, false);
        Ok(())
    }

    fn symlink(&mut self, place: &str, inode: Inode, text: &str) -> Result<(), MergeProblem> {
        let mut inode = inode;
        inode.mode = 0o777;
        if let Some(target) = self.alias_target(place, text).map(str::to_owned)
            && self.tree.is_directory(place)
        {
            self.move_into(place, &target)?;
        }
        self.leaf(place, inode)
    }

    /// Makes room for an alias: what is in the directory moves to its target,
    /// as if the link had been there from the start.
    fn move_into(&mut self, from: &str, to: &str) -> Result<(), MergeProblem> {
        let moved: Vec<String> = self.tree.below(from).map(|(path, _)| path.to_owned()).collect();
        let target = path::join(to, "x");
        let directory = Meta::root(0o755, self.origin.clone()).inode(Kind::Directory);
        self.make_parents(&target, &directory)?;
        for old in &moved {
            let new = self.redirect(&path::join(to, old[from.len()..].trim_start_matches('/')))?;
            let Some(id) = self.tree.id(old) else { continue };
            let incoming = self.tree.inode(id);
            match self.tree.get(&new) {
                Some(there) if there.kind.is_directory() && incoming.kind.is_directory() => {}
                Some(there) => {
                    let (there, incoming) = (there.clone(), incoming.clone());
                    if self.outcome(&new, &there, &incoming, false)? {
                        self.tree.link(&new, id);
                    }
                }
                None => self.tree.link(&new, id),
            }
            if self.seen.remove(old) {
                self.seen.insert(new);
            }
        }
        for old in moved.iter().rev() {
            self.tree.unlink(old);
        }
        self.tree.unlink(from);
        Ok(())
    }

    fn leaf(&mut self, place: &str, inode: Inode) -> Result<(), MergeProblem> {
        if place.is_empty() {
            return Err(PathError::Root.into());
        }
        if let Some(there) = self.tree.get(place) {
            let there = there.clone();
            let again = self.seen.contains(place);
            if !self.outcome(place, &there, &inode, again)? {
                self.seen.insert(place.to_owned());
                return Ok(());
            }
        }
        self.make_parents(place, &inode)?;
        self.tree.insert(place, inode, false);
        self.seen.insert(place.to_owned());
        Ok(())
    }

    fn hard_link(&mut self, place: &str, target: &str, excluded: bool) -> Result<(), MergeProblem> {
        let bad = |source| MergeProblem::HardLinkPath { target: target.to_owned(), source };
        let mut from = self.redirect(&path::archive_path(target).map_err(bad)?)?;
        while let Some(stand_in) = self.stand_ins.get(&from) {
            from = stand_in.clone();
        }
        if from == place && !place.is_empty() {
            return Ok(());
        }
        let Some(id) = self.tree.id(&from) else {
            let Some(inode) = self.left_out.get(&from).cloned() else {
                return Err(MergeProblem::HardLinkMissing(target.to_owned()));
            };
            if excluded {
                self.stand_ins.insert(place.to_owned(), from);
                return Ok(());
            }
            // The first name that stays takes the file over from the one
            // that was left out, and later links join it.
            self.leaf(place, inode)?;
            self.stand_ins.insert(from, place.to_owned());
            return Ok(());
        };
        let inode = self.tree.inode(id).clone();
        if !matches!(inode.kind, Kind::File(_)) {
            let kind = inode.kind.describe();
            return Err(MergeProblem::HardLinkKind { target: target.to_owned(), kind });
        }
        if excluded {
            self.stand_ins.insert(place.to_owned(), from);
            return Ok(());
        }
        if place.is_empty() {
            return Err(PathError::Root.into());
        }
        if let Some(there) = self.tree.get(place) {
            let there = there.clone();
            let again = self.seen.contains(place);
            if !self.outcome(place, &there, &inode, again)? {
                self.seen.insert(place.to_owned());
                return Ok(());
            }
        }
        self.make_parents(place, &inode)?;
        self.tree.link(place, id);
        self.seen.insert(place.to_owned());
        Ok(())
    }

    /// What to do where something is already: `true` overwrite, `false` keep.
    fn outcome(
        &self,
        path: &str,
        there: &Inode,
        incoming: &Inode,
        again: bool,
    ) -> Result<bool, MergeProblem> {
        if there.kind.is_directory() || incoming.kind.is_directory() {
            return Err(self.kind_conflict(path, &incoming.kind));
        }
        if again {
            return Err(MergeProblem::Duplicate(path.to_owned()));
        }
        let same = there.kind == incoming.kind
            && (there.mode, there.uid, there.gid) == (incoming.mode, incoming.uid, incoming.gid)
            && there.xattrs == incoming.xattrs;
        if same {
            return Ok(false);
        }
        match (&there.origin, &incoming.origin) {
            (_, Origin::Recipe(_) | Origin::Builder) => Ok(true),
            // What the recipe asked for stands, whichever came first.
            (Origin::Recipe(_) | Origin::Builder, Origin::Package(_)) => Ok(false),
            (Origin::Package(old), Origin::Package(new)) => {
                let declares = |who: &Arc<str>, whom: &Arc<str>| {
                    let list = self.tree.replaces.get(who);
                    list.is_some_and(|list| list.iter().any(|name| **name == **whom))
                };
                if old != new && declares(new, old) {
                    Ok(true)
                } else if old != new && declares(old, new) {
                    Ok(false)
                } else {
                    let owner = there.origin.clone();
                    Err(MergeProblem::Conflict { path: path.to_owned(), owner })
                }
            }
        }
    }

    fn kind_conflict(&self, path: &str, incoming: &Kind) -> MergeProblem {
        let there = self.tree.get(path);
        MergeProblem::KindConflict {
            path: path.to_owned(),
            there: there.map_or("missing", |inode| inode.kind.describe()),
            owner: there.map_or(Origin::Builder, |inode| inode.origin.clone()),
            incoming: incoming.describe(),
        }
    }

    fn make_parents(&mut self, place: &str, inode: &Inode) -> Result<(), MergeProblem> {
        let made = self.tree.imply_parents(place, inode.mtime, &self.origin);
        self.count(made)
    }
}
