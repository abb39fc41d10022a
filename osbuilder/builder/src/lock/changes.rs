//! What differs between two locks, for the people who review it.

use crate::assemble::rfc3339;
use recipe::Lock;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Differences between an older and a newer lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// Packages that are new: name and version.
    pub added: Vec<(String, String)>,
    /// Packages that are gone: name and version.
    pub removed: Vec<(String, String)>,
    /// Packages with another version: name, older and newer version.
    pub updated: Vec<(String, String, String)>,
    /// Packages of the same version with other bytes, or found elsewhere.
    pub replaced: Vec<(String, String)>,
    /// Packages of the same file of which the index says something else.
    pub described: Vec<String>,
    /// Selections that are new, gone, or that other packages came of.
    pub selections: Vec<String>,
    /// What else differs, in words: the index, its keys.
    pub repository: Vec<String>,
}

impl Changes {
    /// Compares two locks of one recipe.
    #[must_use]
    pub fn between(old: &Lock, new: &Lock) -> Self {
        let mut changes = Self::default();
        let [before, after] = [versions(old), versions(new)];
        let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for name in names {
            let none = BTreeSet::new();
            let [was, is] = [&before, &after].map(|lock| lock.get(name).unwrap_or(&none));
            let gone: Vec<&str> = was.difference(is).copied().collect();
            let come: Vec<&str> = is.difference(was).copied().collect();
            if let ([old], [new]) = (gone.as_slice(), come.as_slice()) {
                changes.updated.push((name.into(), (*old).into(), (*new).into()));
                continue;
            }
            changes.removed.extend(gone.iter().map(|v| (name.to_owned(), (*v).to_owned())));
            changes.added.extend(come.iter().map(|v| (name.to_owned(), (*v).to_owned())));
        }
        for package in &new.packages {
            let same = |have: &&recipe::LockedPackage| {
                have.name == package.name && have.version == package.version
            };
            let Some(have) = old.packages.iter().find(same) else { continue };
            if (&have.sha256, &have.location) != (&package.sha256, &package.location) {
                changes.replaced.push((package.name.clone(), package.version.clone()));
            } else if have != package {
                changes.described.push(package.name.clone());
            }
        }
        let names: BTreeSet<&String> = old.selections.keys().chain(new.selections.keys()).collect();
        for name in names {
            if old.selections.get(name) != new.selections.get(name) {
                changes.selections.push(name.clone());
            }
        }
        changes.repository = repository(old, new);
        changes
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// For a terminal, a line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        for line in &self.repository {
            writeln!(out, "  {line}")?;
        }
        for (name, version) in &self.added {
            writeln!(out, "  + {name} {version}")?;
        }
        for (name, version) in &self.removed {
            writeln!(out, "  - {name} {version}")?;
        }
        for (name, old, new) in &self.updated {
            writeln!(out, "  ~ {name} {old} -> {new}")?;
        }
        for (name, version) in &self.replaced {
            writeln!(out, "  ! {name} {version}: the same version, another file")?;
        }
        if !self.described.is_empty() {
            writeln!(out, "  other keys, licences or relations of: {}", self.described.join(", "))?;
        }
        if !self.selections.is_empty() {
            writeln!(out, "  other packages or reasons in: {}", self.selections.join(", "))?;
        }
        Ok(())
    }
}

fn versions(lock: &Lock) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &lock.packages {
        found.entry(&package.name).or_default().insert(&package.version);
    }
    found
}

fn repository(old: &Lock, new: &Lock) -> Vec<String> {
    let (was, is) = (&old.repository, &new.repository);
    let mut lines = Vec::new();
    if was.description != is.description {
        lines.push(format!("repository: {} -> {}", was.description, is.description));
    }
    if was.signed_by != is.signed_by {
        let (was, is) = (was.signed_by.join(", "), is.signed_by.join(", "));
        lines.push(format!("signed by: {was} -> {is}"));
    }
    for index in &is.indexes {
        match was.indexes.iter().find(|have| have.path == index.path) {
            None => lines.push(format!("{}: read now, not before", index.path)),
            Some(before) if before != index => {
                let of = |date: Option<i64>| date.map_or_else(|| "no date".to_owned(), rfc3339);
                lines.push(format!("{}: {} -> {}", index.path, of(before.date), of(index.date)));
            }
            Some(_) => {}
        }
    }
    for gone in was.indexes.iter().filter(|i| !is.indexes.iter().any(|j| i.path == j.path)) {
        lines.push(format!("{}: no longer read", gone.path));
    }
    lines
}
