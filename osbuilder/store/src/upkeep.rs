//! Looking after a store: what is in it, whether it is whole, what may go.
//!
//! Knows the store's folders and its leases; it must not know where files came
//! from or what they mean.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::layout::{Layout, hash_reader};
use crate::lease;

/// What a file of the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A fetched file, named by the SHA-256 of its bytes.
    Blob,
    /// The digest behind another identity.
    Reference,
    /// The last accepted copy of an index.
    Index,
    /// A value that can be computed again.
    Derived,
}

impl Kind {
    /// One word for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Reference => "reference",
            Self::Index => "index",
            Self::Derived => "derived",
        }
    }
}

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its name: a SHA-256 in hexadecimal, of a blob's bytes or a record's key.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last handed out.
    pub used: SystemTime,
    path: PathBuf,
}

/// What [`Store::verify`](crate::Store::verify) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many blobs were hashed.
    pub checked: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Those whose bytes are not the ones of their name; they were removed.
    pub damaged: Vec<Entry>,
}

/// What may go in [`Store::gc`](crate::Store::gc). With neither limit nothing goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct GcOptions {
    /// Files that were not used for so long go.
    pub older_than: Option<Duration>,
    /// While the store is larger than so many bytes, the longest unused go.
    pub max_size: Option<u64>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What [`Store::gc`](crate::Store::gc) did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What went, the longest unused first.
    pub removed: Vec<Entry>,
    /// What stayed, in the same order.
    pub kept: Vec<Entry>,
}

/// All files, sorted by kind and name. Files still being fetched are left out.
pub(crate) fn list(layout: &Layout) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for folder in files(&layout.kind("sha256"))? {
        if folder.is_dir() {
            collect(&folder, Kind::Blob, &mut entries)?;
        }
    }
    for (name, kind) in
        [("refs", Kind::Reference), ("index", Kind::Index), ("derived", Kind::Derived)]
    {
        collect(&layout.kind(name), kind, &mut entries)?;
    }
    entries.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(entries)
}

fn collect(folder: &Path, kind: Kind, entries: &mut Vec<Entry>) -> Result<(), StoreError> {
    for path in files(folder)? {
        let failed = |source| StoreError::io(&path, source);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What somebody else put there is not ours to judge.
        if name.len() != 64 || hex::decode(name).is_err() {
            continue;
        }
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let used = meta.modified().map_err(failed)?;
        let name = name.to_owned();
        entries.push(Entry { kind, name, size: meta.len(), used, path });
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::io(folder, source);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

pub(crate) fn verify(layout: &Layout) -> Result<Verified, StoreError> {
    let mut report = Verified::default();
    for entry in list(layout)?.into_iter().filter(|entry| entry.kind == Kind::Blob) {
        let failed = |source| StoreError::io(&entry.path, source);
        let mut file = match File::open(&entry.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let mut hasher = Sha256::new();
        let size = hash_reader(&mut file, &mut hasher).map_err(failed)?;
        report.checked += 1;
        report.bytes = report.bytes.saturating_add(size);
        if hex::encode(hasher.finalize()) != entry.name {
            tracing::warn!(path = %entry.path.display(), "removing a damaged file from the store");
            lease::remove_damaged(layout, &file, &entry.path)?;
            report.damaged.push(entry);
        }
    }
    Ok(report)
}

pub(crate) fn gc(layout: &Layout, options: &GcOptions) -> Result<Collected, StoreError> {
    let _alone = lease::alone(layout)?;
    let (in_use, now) = (lease::oldest(layout)?, SystemTime::now());
    let mut entries = list(layout)?;
    entries.sort_by_key(|entry| entry.used);
    let mut total = entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
    let mut report = Collected::default();
    for entry in entries {
        let unused = now.duration_since(entry.used).unwrap_or_default();
        let old = options.older_than.is_some_and(|limit| unused >= limit);
        let over = options.max_size.is_some_and(|limit| total > limit);
        if entry.used >= in_use || !(old || over) {
            report.kept.push(entry);
            continue;
        }
        if !options.dry_run {
            match fs::remove_file(&entry.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(&entry.path, error));
                }
                _ => tracing::debug!(path = %entry.path.display(), "removed from the store"),
            }
        }
        total = total.saturating_sub(entry.size);
        report.removed.push(entry);
    }
    Ok(report)
}
