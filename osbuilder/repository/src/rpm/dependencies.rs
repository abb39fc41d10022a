//! What packages need, provide and rule out, from entries of a name, a
//! comparison and a version. The index and the header of a package both give
//! such entries, and come to the same words here, so that they can be compared.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

use super::rich;
use crate::package::{Comparison, Expression, Package, Provide, Relation, Requirement, Rich};

/// Abilities of an rpm that packages may ask of whoever unpacks them, and which
/// the readers here have. Bzip2 payloads are missing on purpose.
const FEATURES: [&str; 19] = [
    "BuiltinLuaScripts",
    "CaretInVersions",
    "CompressedFileNames",
    "ConcurrentAccess",
    "ExplicitPackageProvide",
    "FileCaps",
    "FileDigests",
    "HeaderLoadSortsTags",
    "LargeFiles",
    "PartialHardlinkSets",
    "PayloadFilesHavePrefix",
    "PayloadIsLzma",
    "PayloadIsXz",
    "PayloadIsZstd",
    "RichDependencies",
    "ScriptletExpansion",
    "ScriptletInterpreterArgs",
    "TildeInVersions",
    "VersionedDependencies",
];

/// All that one package says about others.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Dependencies {
    pub provides: Vec<Provide>,
    pub depends: Vec<Requirement>,
    pub conflicts: Vec<Relation>,
    pub obsoletes: Vec<Relation>,
    pub rich: Vec<Rich>,
}

/// Which list an entry stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
}

impl Dependencies {
    /// Adds one entry. The error is a sentence that names it.
    pub fn add(
        &mut self,
        list: List,
        name: &str,
        constraint: Option<(Comparison, String)>,
    ) -> Result<(), String> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(format!("`{}` is no name", name.escape_debug()));
        }
        if name.starts_with('(') && list != List::Provides {
            let forbidden = match list {
                List::Requires => false,
                List::Conflicts => true,
                _ => return Err(format!("`{name}` can't be obsoleted")),
            };
            let rich = match rich::parse(name)? {
                // One relation in brackets is a plain one.
                Expression::Relation(relation) => return self.add_relation(list, relation),
                expression => Rich { expression, forbidden },
            };
            self.rich.push(rich);
            return Ok(());
        }
        if list == List::Requires && is_feature(name) {
            return Ok(());
        }
        self.add_relation(list, Relation { name: name.to_owned(), constraint })
    }

    fn add_relation(&mut self, list: List, relation: Relation) -> Result<(), String> {
        match list {
            List::Provides => {
                let version = relation.constraint.map(|(op, version)| match op {
                    Comparison::Equal | Comparison::Fuzzy => version,
                    op => format!("{op} {version}"),
                });
                self.provides.push(Provide { name: relation.name, version });
            }
            List::Requires => {
                self.depends.push(Requirement { alternatives: vec![relation] });
            }
            List::Conflicts => self.conflicts.push(relation),
            List::Obsoletes => self.obsoletes.push(relation),
        }
        Ok(())
    }

    /// Drops what is there twice: real packages need a thing once for a script
    /// and once in general.
    pub fn without_repetition(mut self) -> Self {
        fn unique<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
            let mut seen = HashSet::with_capacity(all.len());
            all.retain(|one| seen.insert(one.clone()));
        }
        unique(&mut self.provides);
        unique(&mut self.depends);
        unique(&mut self.conflicts);
        unique(&mut self.obsoletes);
        unique(&mut self.rich);
        self
    }

    /// Whether what the index says agrees with this, which the package's header
    /// says; `has_file` knows the package's files. The error names what differs.
    ///
    /// Tools that write indexes leave out what a package needs of itself, and all
    /// but one of the versions of the C library's interfaces.
    pub fn agree(&self, package: &Package, has_file: &dyn Fn(&str) -> bool) -> Result<(), String> {
        let own: BTreeSet<String> = self.provides.iter().map(show_provide).collect();
        for provide in &package.provides {
            let is_file = provide.version.is_none() && provide.name.starts_with('/');
            let has = own.contains(&show_provide(provide)) || is_file && has_file(&provide.name);
            if !has {
                return Err(differs("provides", &show_provide(provide)));
            }
        }
        let indexed: BTreeSet<String> = package.provides.iter().map(show_provide).collect();
        if let Some(hidden) = own.difference(&indexed).next() {
            return Err(format!("the index hides that it provides {hidden}"));
        }
        let indexed: BTreeSet<String> = package.depends.iter().map(ToString::to_string).collect();
        let needed: BTreeSet<String> = self.depends.iter().map(ToString::to_string).collect();
        if let Some(extra) = indexed.difference(&needed).next() {
            return Err(differs("needs", extra));
        }
        let own_names: BTreeSet<&str> = self.provides.iter().map(|p| p.name.as_str()).collect();
        let libc = |text: &str| text.starts_with("libc.so.6");
        let some_libc = indexed.iter().any(|text| libc(text));
        for requirement in &self.depends {
            let text = requirement.to_string();
            let itself = requirement.alternatives.iter().any(|relation| {
                has_file(&relation.name) || own_names.contains(relation.name.as_str())
            });
            let told = indexed.contains(&text) || itself || libc(&text) && some_libc;
            if !told {
                return Err(format!("the index hides that it needs {text}"));
            }
        }
        for (word, ours, index) in [
            ("conflicts with", show_all(&self.conflicts), show_all(&package.conflicts)),
            ("obsoletes", show_all(&self.obsoletes), show_all(&package.replaces)),
            ("needs or excludes", show_rich(&self.rich), show_rich(&package.rich)),
        ] {
            if let Some(extra) = index.difference(&ours).next() {
                return Err(differs(word, extra));
            }
            if let Some(missing) = ours.difference(&index).next() {
                return Err(format!("the index hides that it {word} {missing}"));
            }
        }
        Ok(())
    }
}

/// Whether a requirement is one on the unpacker, and met here.
pub(super) fn is_feature(name: &str) -> bool {
    let feature = name.strip_prefix("rpmlib(").and_then(|rest| rest.strip_suffix(')'));
    feature.is_some_and(|feature| FEATURES.contains(&feature))
}

fn differs(word: &str, what: &str) -> String {
    format!("the index says that it {word} {what}, its own header does not")
}

fn show_provide(provide: &Provide) -> String {
    match &provide.version {
        None => provide.name.clone(),
        Some(version) => format!("{} = {version}", provide.name),
    }
}

fn show_all(relations: &[Relation]) -> BTreeSet<String> {
    relations.iter().map(ToString::to_string).collect()
}

fn show_rich(rich: &[Rich]) -> BTreeSet<String> {
    let word = |r: &Rich| if r.forbidden { "not " } else { "" };
    rich.iter().map(|r| format!("{}{}", word(r), r.expression)).collect()
}
