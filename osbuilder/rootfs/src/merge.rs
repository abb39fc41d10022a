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
use crate::owners::Owners;
use crate::path::{self, PathError};
use crate::pattern::Patterns;
use crate::tar::{Reader, TarError};
use crate::tree::{Replaces, Tree};

/// One member of a package's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
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
    /// Owning user by name, where the archive tells it.
    pub user: String,
    /// Owning group by name, where the archive tells it.
    pub group: String,
    /// Last modification, seconds since 1970 UTC.
    pub mtime: i64,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The kinds a package may bring. Devices are for recipes to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
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
    /// Of two packages that may overwrite each other's files, the one with the
    /// higher priority does; with the same, the one that is merged later.
    pub replace_priority: u32,
    /// What to leave out, so that it never costs memory. Patterns and paths may
    /// be spelled through aliases or not, whether the links are there yet or not.
    pub exclude: Patterns,
    /// Where it is given, owners are what the archive calls them; otherwise names
    /// say nothing and the archive's numbers stand.
    pub owners: Option<Owners>,
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
#[error("{origin} can't be merged{}", at(path, problem))]
pub struct MergeError {
    /// Who brought the entry.
    pub origin: Origin,
    /// The entry's path as the archive has it; where the archive breaks off, the
    /// last entry's; empty where there is none.
    pub path: String,
    /// What is wrong.
    #[source]
    pub problem: MergeProblem,
}

/// Most characters of a path in a message: its beginning and its end.
const SHOWN: usize = 160;

fn at(path: &str, problem: &MergeProblem) -> String {
    if path.is_empty() {
        return String::new();
    }
    // What has no name yet when it breaks is told by its neighbour.
    let relation = match problem {
        MergeProblem::Archive(
            TarError::Truncated(_) | TarError::Header(_) | TarError::Extension(_),
        ) => "at or after",
        _ => "because of",
    };
    let count = path.chars().count();
    if count <= SHOWN {
        return format!(" {relation} `{path}`");
    }
    let head: String = path.chars().take(SHOWN / 2).collect();
    let tail: String = path.chars().skip(count - SHOWN / 2).collect();
    format!(" {relation} `{head}…{tail}` ({} bytes)", path.len())
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
    /// An owner whose number nobody gave.
    #[error(
        "it belongs to the {what} `{name}`, whose number is not known; name it under `{what}s`"
    )]
    Owner {
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
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
                    let (path, problem) = (reader.into_path(), error.into());
                    return Err(MergeError { origin, path, problem });
                }
            }
        }
    }

    fn merge<'t>(&'t mut self, origin: Origin, rules: &'t MergeRules) -> Merge<'t> {
        if let Origin::Package(name) = &origin {
            let (names, priority) = (rules.replaces.clone(), rules.replace_priority);
            self.replaces.insert(Arc::clone(name), Replaces { names, priority });
        }
        Merge {
            tree: self,
            origin,
            rules,
            exclude: rules.exclude.respelled(|path| landing(&rules.aliases, path)),
            seen: BTreeSet::new(),
            left_out: BTreeMap::new(),
            stand_ins: BTreeMap::new(),
            entries: 0,
            bytes: 0,
        }
    }
}

/// One package being merged.
struct Merge<'t> {
    tree: &'t mut Tree,
    origin: Origin,
    rules: &'t MergeRules,
    /// What to leave out, by where it would land.
    exclude: Patterns,
    /// What this archive brought, so that it can't bring it twice.
    seen: BTreeSet<String>,
    /// Files that were excluded, by where they would have landed: a hard link to
    /// one must still work.
    left_out: BTreeMap<String, Inode>,
    /// Where excluded paths would have landed, and the path that names their
    /// file instead.
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
    fn add(&mut self, entry: Entry) -> Result<(), MergeError> {
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
        let excluded = self.exclude.cover(&self.landing(&given));
        let numbers = match &self.rules.owners {
            Some(owners) => owners.numbers(&entry.user, &entry.group),
            None => Ok((entry.uid, entry.gid)),
        };
        // What is left out may belong to anybody.
        let (uid, gid) = match numbers {
            Err(_) if excluded => return Ok(()),
            numbers => numbers?,
        };
        let Entry { kind, mode, mtime, xattrs, .. } = entry;
        let meta = Meta { mode, uid, gid, mtime, origin: self.origin.clone() };
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
                let place = self.landing(&place);
                self.stand_ins.remove(&place);
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
        // What is in the tree lies in directories all the way down.
        let parent = path::split(path).and_then(|(parent, _)| self.tree.get(parent));
        if parent.is_some_and(|parent| parent.kind.is_directory()) {
            return Ok(None);
        }
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
        // Some package may have put a file where the target's parents are due.
        let target = self.redirect(&path::join(to, "x"))?;
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
        if self.may_take(place, &inode)? {
            self.make_parents(place, &inode)?;
            self.tree.insert(place, inode, false);
        }
        Ok(())
    }

    /// Whether something that is no directory, brought by this package, goes to
    /// a place. The place counts as filled by this package either way.
    fn may_take(&mut self, place: &str, inode: &Inode) -> Result<bool, MergeProblem> {
        let there = self.tree.get(place);
        let takes = there.map(|there| self.outcome(place, there, inode, self.seen.contains(place)));
        let takes = takes.transpose()?.unwrap_or(true);
        self.seen.insert(place.to_owned());
        self.stand_ins.remove(&self.landing(place));
        Ok(takes)
    }

    fn hard_link(&mut self, place: &str, target: &str, excluded: bool) -> Result<(), MergeProblem> {
        let bad = |source| MergeProblem::HardLinkPath { target: target.to_owned(), source };
        let mut from = self.redirect(&path::archive_path(target).map_err(bad)?)?;
        // No chain is longer than there are links in it.
        for _ in 0..self.stand_ins.len() {
            let Some(stand_in) = self.stand_ins.get(&self.landing(&from)) else { break };
            from = self.redirect(stand_in)?;
        }
        if from == place && !place.is_empty() {
            return Ok(());
        }
        let Some(id) = self.tree.id(&from) else {
            let Some(inode) = self.left_out.get(&self.landing(&from)).cloned() else {
                return Err(MergeProblem::HardLinkMissing(target.to_owned()));
            };
            if excluded {
                self.stands_in(from, place);
                return Ok(());
            }
            // The first name that stays takes the file over from the one
            // that was left out, and later links join it.
            self.leaf(place, inode)?;
            self.stands_in(place.to_owned(), &from);
            return Ok(());
        };
        let inode = self.tree.inode(id).clone();
        if !matches!(inode.kind, Kind::File(_)) {
            let kind = inode.kind.describe();
            return Err(MergeProblem::HardLinkKind { target: target.to_owned(), kind });
        }
        if excluded {
            self.stands_in(from, place);
            return Ok(());
        }
        if place.is_empty() {
            return Err(PathError::Root.into());
        }
        // The link is this package's act, whoever brought the file it names.
        let inode = Inode { origin: self.origin.clone(), ..inode };
        if self.may_take(place, &inode)? {
            self.make_parents(place, &inode)?;
            self.tree.link(place, id);
        }
        Ok(())
    }

    /// From now on `path` names the file of a place that was left out. No place
    /// stands in for itself, however it is spelled.
    fn stands_in(&mut self, path: String, left_out: &str) {
        let left_out = self.landing(left_out);
        if self.landing(&path) != left_out {
            self.stand_ins.insert(left_out, path);
        }
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
                    let declared = self.tree.replaces.get(who)?;
                    let names_it = declared.names.iter().any(|name| **name == **whom);
                    (who != whom && names_it).then_some(declared.priority)
                };
                match (declares(new, old), declares(old, new)) {
                    (None, None) => {
                        let owner = there.origin.clone();
                        Err(MergeProblem::Conflict { path: path.to_owned(), owner })
                    }
                    // None is less than any priority.
                    (by_new, by_old) => Ok(by_new >= by_old),
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

    fn landing(&self, path: &str) -> String {
        landing(&self.rules.aliases, path)
    }

    fn make_parents(&mut self, place: &str, inode: &Inode) -> Result<(), MergeProblem> {
        let made = self.tree.imply_parents(place, inode.mtime, &self.origin);
        self.count(made)
    }
}

/// Where a path ends up once all aliases are links: one spelling for all.
fn landing(aliases: &[(String, String)], path: &str) -> String {
    let mut path = path.to_owned();
    // Each turn follows one alias; more turns than aliases is a circle.
    for _ in 0..aliases.len() {
        let next = aliases.iter().find_map(|(alias, target)| {
            let rest = path.strip_prefix(alias.trim_matches('/'))?.strip_prefix('/')?;
            let target = target.trim_matches('/');
            // As above: no directory is a link to something inside itself.
            let inside = target.strip_prefix(alias.trim_matches('/'));
            let itself = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (!itself).then(|| path::join(target, rest))
        });
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    path
}
