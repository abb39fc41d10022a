//! What differs between two artifacts: packages, files, bytes, and what the
//! manifests say of how they were built. It reads manifests and lists of
//! contents, never images, so it does not matter what form either has.

pub mod bytes;
mod text;

use crate::contents::{Contents, Entry};
use crate::manifest::Manifest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// What is in it, if that is known.
    pub contents: Option<&'a Contents>,
}

/// All differences, in order of name within each list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diff {
    /// File names of the two artifacts.
    pub artifacts: [String; 2],
    /// Whether the two are the same, byte for byte.
    pub identical: bool,
    /// Sizes of the two artifacts.
    pub bytes: [u64; 2],
    /// Facts of the manifests that differ.
    pub facts: Vec<Fact>,
    /// Packages that differ.
    pub packages: Vec<PackageChange>,
    /// Files that differ; none where one side has no list of contents.
    pub files: Option<Vec<FileChange>>,
    /// Bytes in the trees; none where one side has no list of contents.
    pub tree_bytes: Option<[u64; 2]>,
}

/// A fact that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Its key in the manifest.
    pub key: &'static str,
    /// The two values.
    pub values: [String; 2],
}

/// A package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its version before; none where it is new.
    pub before: Option<String>,
    /// Its version now; none where it is gone.
    pub after: Option<String>,
    /// What brought it in, now or before.
    pub because: String,
}

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileChange {
    /// The path.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: Kind,
    /// What of it changed: names of the list's keys; empty unless `changed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<&'static str>,
    /// Bytes before and now.
    pub bytes: [u64; 2],
    /// Who brings it now, or did.
    pub origin: String,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, not alike.
    Changed,
}

/// Compares two artifacts.
#[must_use]
pub fn diff(before: Side<'_>, after: Side<'_>) -> Diff {
    let (old, new) = (before.manifest, after.manifest);
    let both = before.contents.zip(after.contents);
    Diff {
        artifacts: [old.artifact.file.clone(), new.artifact.file.clone()],
        identical: old.artifact.sha256 == new.artifact.sha256,
        bytes: [old.artifact.size, new.artifact.size],
        facts: facts(old, new),
        packages: packages(old, new),
        files: both.map(|(old, new)| files(old, new)),
        tree_bytes: both.map(|(old, new)| [old, new].map(total)),
    }
}

fn total(contents: &Contents) -> u64 {
    contents.entries.iter().map(Entry::bytes).sum()
}

fn facts(old: &Manifest, new: &Manifest) -> Vec<Fact> {
    let of = |manifest: &Manifest| -> [(&'static str, String); 13] {
        [
            ("distro", manifest.distro.clone()),
            ("version", manifest.version.clone()),
            ("type", manifest.r#type.to_string()),
            ("init", manifest.init.to_string()),
            ("architecture", manifest.architecture.clone()),
            ("filesystem", manifest.filesystem.clone().unwrap_or_else(|| "none".to_owned())),
            ("compression", manifest.compression.unwrap_or_default().to_string()),
            ("kernel-parameters", manifest.kernel_parameters.join(" ")),
            ("source-date-epoch", manifest.source_date_epoch.to_string()),
            ("osbuilder", manifest.osbuilder.clone()),
            ("agent-version", manifest.agent_version.clone()),
            ("agent-sha256", manifest.agent_sha256.clone()),
            ("index-sha256", manifest.mirror.index_sha256.clone()),
        ]
    };
    of(old)
        .into_iter()
        .zip(of(new))
        .filter(|((_, old), (_, new))| old != new)
        .map(|((key, old), (_, new))| Fact { key, values: [old, new] })
        .collect()
}

fn packages(old: &Manifest, new: &Manifest) -> Vec<PackageChange> {
    // By name and architecture; a distro may have one package for several.
    let by_name = |manifest: &'_ Manifest| -> BTreeMap<String, (String, String, String)> {
        let records = manifest.packages.iter();
        records
            .map(|p| (p.name.clone(), (p.version.clone(), p.identity.clone(), p.because.clone())))
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (old.get(name), new.get(name));
            let same = before.zip(after).is_some_and(|(b, a)| (&b.0, &b.1) == (&a.0, &a.1));
            (!same).then(|| PackageChange {
                name: name.clone(),
                before: before.map(|record| record.0.clone()),
                after: after.map(|record| record.0.clone()),
                because: after.or(before).map(|record| record.2.clone()).unwrap_or_default(),
            })
        })
        .collect()
}

fn files(old: &Contents, new: &Contents) -> Vec<FileChange> {
    let by_path = |contents: &'_ Contents| -> BTreeMap<String, Entry> {
        contents.entries.iter().map(|entry| (entry.path.clone(), entry.clone())).collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths.into_iter().filter_map(|path| file(path, old.get(path), new.get(path))).collect()
}

fn file(path: &str, old: Option<&Entry>, new: Option<&Entry>) -> Option<FileChange> {
    let change = match (old, new) {
        (Some(old), Some(new)) if old == new => return None,
        (Some(_), Some(_)) => Kind::Changed,
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
    };
    let size = |entry: Option<&Entry>| entry.and_then(|entry| entry.size).unwrap_or(0);
    Some(FileChange {
        path: path.to_owned(),
        change,
        keys: old.zip(new).map(|(old, new)| keys(old, new)).unwrap_or_default(),
        bytes: [size(old), size(new)],
        origin: new.or(old).map(|entry| entry.origin.clone()).unwrap_or_default(),
    })
}

/// Keys of an entry that differ.
fn keys(old: &Entry, new: &Entry) -> Vec<&'static str> {
    [
        ("type", old.r#type != new.r#type),
        ("mode", old.mode != new.mode),
        ("uid", old.uid != new.uid),
        ("gid", old.gid != new.gid),
        ("size", old.size != new.size),
        ("sha256", old.sha256 != new.sha256),
        ("target", old.target != new.target),
        ("hard-link", old.hard_link != new.hard_link),
        ("device", old.device != new.device),
        ("xattrs", old.xattrs != new.xattrs),
        ("origin", old.origin != new.origin),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
