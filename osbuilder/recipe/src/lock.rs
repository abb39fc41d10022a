//! `recipes/<distro>/lock/<architecture>.yaml`: the exact packages that a recipe
//! is built from, and the repository that vouched for them. [`Lock`] is the
//! checked form; text in, text out. It must not know how a lock is made, nor
//! where packages are fetched.

use crate::problem::{Problem, nearest};
use crate::recipe::{Init, Selection};
use crate::yaml::{at, parse};
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the form that is written and read.
pub const LOCK_FORMAT: u32 = 1;

/// What stands above every lock.
const HEAD: &str = "# The exact packages of this recipe. Made by `cargo xtask lock`, which prints what\n\
                    # it changes; not to be edited by hand.\n";

/// The packages of every selection that a recipe offers for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// Version of this form, [`LOCK_FORMAT`].
    pub format: u32,
    /// Name of the recipe.
    pub distro: String,
    /// Our name of the architecture (`x86_64`).
    pub architecture: String,
    /// The repository that was read.
    pub repository: LockedRepository,
    /// What each selection asked for and got, by [`selection_name`].
    pub selections: BTreeMap<String, LockedSelection>,
    /// Every package, by name and version.
    pub packages: Vec<LockedPackage>,
}

/// A repository as it was when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedRepository {
    /// What its index calls itself.
    pub description: String,
    /// Keys whose signatures held.
    pub signed_by: Vec<String>,
    /// Every index that was read, by path.
    pub indexes: Vec<LockedIndex>,
    /// SHA-256 over the signed indexes, hexadecimal.
    pub sha256: String,
}

/// One index of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedIndex {
    /// Path below the mirror.
    pub path: String,
    /// When the archive made it, in seconds since 1970 UTC, if it says so. An
    /// older one is not taken in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<i64>,
    /// SHA-256 of the signed bytes, hexadecimal.
    pub sha256: String,
}

/// What one selection asked for, and the packages that came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSelection {
    /// Packages that the layers named, in their order.
    pub asked: Vec<String>,
    /// Dependencies that the layers left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// The packages, by name.
    pub packages: Vec<LockedChoice>,
}

/// A package of a selection and what brought it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedChoice {
    /// Its name.
    pub name: String,
    /// Its version, where the lock holds several of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The package that needs it; none where the recipe asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// The dependency, as that package spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// One package file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Full version.
    pub version: String,
    /// The distro's architecture.
    pub architecture: String,
    /// Path below the mirror.
    pub location: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// apk: SHA-1 of the control segment, which the signed index gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_sha1: Option<String>,
    /// Key whose signature vouches for the package: the index's, or its own.
    pub signed_by: String,
    /// Source package.
    pub source: String,
    /// Its licence as the index states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Packages of this lock whose files it may overwrite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

/// How a lock calls a selection: the init, and the variant after a `/`.
#[must_use]
pub fn selection_name(init: Init, variant: Option<&str>) -> String {
    match variant {
        None => init.to_string(),
        Some(variant) => format!("{init}/{variant}"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    format: Spanned<u32>,
    distro: Spanned<String>,
    architecture: Spanned<String>,
    repository: Spanned<LockedRepository>,
    selections: BTreeMap<String, Spanned<LockedSelection>>,
    packages: Vec<Spanned<LockedPackage>>,
}

impl Lock {
    /// Parses and checks `text`, the content of `file`, the lock of `distro` for
    /// `architecture`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(
        file: &str,
        text: &str,
        distro: &str,
        architecture: &str,
    ) -> Result<Self, Problem> {
        let raw: Raw = parse(file, text)?;
        let wrong = |place: Location, message: String| at(file, text, place, message);
        if raw.format.value != LOCK_FORMAT {
            let message = format!("this lock has format {}, not {LOCK_FORMAT}", raw.format.value);
            return Err(wrong(raw.format.referenced, message)
                .with_help("make it anew with `cargo xtask lock`"));
        }
        for (what, have, want) in
            [("recipe", &raw.distro, distro), ("architecture", &raw.architecture, architecture)]
        {
            if have.value != want {
                let message = format!("this lock is of the {what} `{}`, not `{want}`", have.value);
                return Err(wrong(have.referenced, message));
            }
        }
        let digests = raw.repository.value.indexes.iter().map(|index| &index.sha256);
        if !digests.chain([&raw.repository.value.sha256]).all(|digest| is_hex(digest, 64)) {
            return Err(wrong(raw.repository.referenced, NOT_SHA256.into()));
        }
        let mut names = BTreeSet::new();
        for package in &raw.packages {
            check_package(&package.value).map_err(|text| wrong(package.referenced, text))?;
            if !names.insert((&package.value.name, &package.value.version)) {
                let LockedPackage { name, version, .. } = &package.value;
                let message = format!("{name} {version} is given twice");
                return Err(wrong(package.referenced, message));
            }
        }
        for selection in raw.selections.values() {
            for choice in &selection.value.packages {
                let of_name: Vec<_> =
                    names.iter().filter(|(name, _)| **name == choice.name).collect();
                let known = match &choice.version {
                    None => of_name.len() == 1,
                    Some(version) => of_name.iter().any(|(_, have)| *have == version),
                };
                if !known {
                    let message =
                        format!("the package `{}` is not below `packages`, once", choice.name);
                    let problem = wrong(selection.referenced, message);
                    let near = nearest(&choice.name, names.iter().map(|(name, _)| name.as_str()));
                    return Err(match near.filter(|near| *near != choice.name) {
                        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
                        None => problem,
                    });
                }
            }
        }
        Ok(Self {
            format: raw.format.value,
            distro: raw.distro.value,
            architecture: raw.architecture.value,
            repository: raw.repository.value,
            selections: raw.selections.into_iter().map(|(k, v)| (k, v.value)).collect(),
            packages: raw.packages.into_iter().map(|package| package.value).collect(),
        })
    }

    /// The lock as a file's text.
    ///
    /// # Panics
    /// Never: plain data can be written as YAML.
    #[must_use]
    pub fn to_text(&self) -> String {
        let yaml = serde_saphyr::to_string(self).expect("a lock is plain data");
        format!("{HEAD}{yaml}")
    }

    /// The package that a choice of one of the selections means.
    #[must_use]
    pub fn package(&self, choice: &LockedChoice) -> Option<&LockedPackage> {
        self.packages.iter().find(|package| {
            package.name == choice.name
                && choice.version.as_ref().is_none_or(|version| *version == package.version)
        })
    }

    /// What the lock holds for `selection`.
    ///
    /// # Errors
    /// How the recipe and the lock differ, in words: a selection that the lock
    /// lacks, or one that asks for other packages.
    pub fn selection(&self, selection: &Selection) -> Result<&LockedSelection, String> {
        let name = selection_name(selection.init, selection.variant.as_deref());
        let Some(locked) = self.selections.get(&name) else {
            return Err(format!("it holds nothing for `{name}`"));
        };
        let layer = &selection.layer;
        let lists = [
            ("asks for", &layer.packages, &locked.asked),
            ("does without", &layer.without, &locked.without),
        ];
        for (verb, now, then) in lists {
            if let Some(new) = now.iter().find(|name| !then.contains(name)) {
                return Err(format!(
                    "the recipe {verb} `{new}`, and the lock was made before that"
                ));
            }
            if let Some(old) = then.iter().find(|name| !now.contains(name)) {
                return Err(format!("the lock {verb} `{old}`, and the recipe no longer"));
            }
        }
        Ok(locked)
    }
}

const NOT_SHA256: &str = "a `sha256` must be 64 lower-case hexadecimal digits";

/// What is wrong with a package, in a sentence.
fn check_package(package: &LockedPackage) -> Result<(), String> {
    let LockedPackage { name, version, location, .. } = package;
    if name.is_empty() || version.is_empty() {
        return Err("a package needs a name and a version".to_owned());
    }
    if !is_hex(&package.sha256, 64) {
        return Err(NOT_SHA256.to_owned());
    }
    if package.control_sha1.as_ref().is_some_and(|digest| !is_hex(digest, 40)) {
        return Err("a `control-sha1` must be 40 lower-case hexadecimal digits".to_owned());
    }
    // It becomes part of a URL and, in a vendored folder, of a path.
    if location.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("the location `{location}` is no path below a mirror"));
    }
    Ok(())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
