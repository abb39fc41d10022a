//! Dependencies on files: which packages have the paths that other packages ask
//! for. A path that nobody asks for is never kept, since there are millions. It
//! knows no index files.

use std::collections::{HashMap, HashSet};

use super::primary::Files;
use crate::package::{Expression, Identity, Package, Provide, Relation};

/// Adds to `packages` the asked-for files that their own index tells of (`files`
/// come with the place of their first package). Gives the paths, sorted, that
/// are still nobody's and are asked for within reach of `wanted`.
pub(super) fn add_known(
    packages: &mut [Package],
    files: &[(usize, Files)],
    wanted: &[String],
) -> Vec<String> {
    let asked: HashSet<String> = packages
        .iter()
        .flat_map(relations)
        .map(|relation| relation.name.as_str())
        .chain(wanted.iter().map(String::as_str))
        .filter(|name| name.starts_with('/'))
        .map(str::to_owned)
        .collect();
    for (first, files) in files {
        for (path, package) in files.iter().filter(|(path, _)| asked.contains(*path)) {
            add(&mut packages[first + package], path);
        }
    }
    missing(packages, wanted)
}

/// Adds the files that lists of all files told of: paths by package digest.
pub(super) fn add_owners(packages: &mut [Package], owners: &HashMap<String, Vec<String>>) {
    for package in packages {
        let Identity::Sha256(digest) = package.identity else { continue };
        for path in owners.get(&hex::encode(digest)).into_iter().flatten() {
            add(package, path);
        }
    }
}

fn add(package: &mut Package, path: &str) {
    if !package.provides.iter().any(|provide| provide.name == path) {
        package.provides.push(Provide { name: path.to_owned(), version: None });
    }
}

/// Paths that are nobody's though something within reach of `wanted` asks for
/// them. Within reach is whatever could satisfy anything on the way.
fn missing(packages: &[Package], wanted: &[String]) -> Vec<String> {
    let mut owners: HashMap<&str, Vec<usize>> = HashMap::with_capacity(packages.len() * 2);
    for (index, package) in packages.iter().enumerate() {
        let provided = package.provides.iter().map(|provide| provide.name.as_str());
        for name in provided.chain([package.name.as_str()]) {
            owners.entry(name).or_default().push(index);
        }
    }
    let mut missing: HashSet<&str> = HashSet::new();
    let mut reached = vec![false; packages.len()];
    let mut seen: HashSet<&str> = HashSet::new();
    let mut queue: Vec<&str> = wanted.iter().map(String::as_str).collect();
    while let Some(name) = queue.pop() {
        if !seen.insert(name) {
            continue;
        }
        let found = owners.get(name).map(Vec::as_slice).unwrap_or_default();
        if found.is_empty() && name.starts_with('/') {
            missing.insert(name);
        }
        for &index in found {
            if !std::mem::replace(&mut reached[index], true) {
                queue.extend(needed(&packages[index]).map(|relation| relation.name.as_str()));
            }
        }
    }
    let mut missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    missing.sort();
    missing
}

/// All that a package needs or excludes.
fn relations(package: &Package) -> impl Iterator<Item = &Relation> {
    needed(package).chain(&package.conflicts)
}

/// All that a package may need.
fn needed(package: &Package) -> impl Iterator<Item = &Relation> {
    let plain = package.depends.iter().flat_map(|requirement| &requirement.alternatives);
    let rich = package.rich.iter().flat_map(|rich| rich.expression.relations());
    plain.chain(rich)
}

impl Expression {
    /// All relations in it, in order.
    fn relations(&self) -> Vec<&Relation> {
        let mut found = Vec::new();
        let mut queue = vec![self];
        while let Some(expression) = queue.pop() {
            match expression {
                Self::Relation(relation) => found.push(relation),
                Self::And(all) | Self::Or(all) | Self::With(all) => queue.extend(all.iter().rev()),
                Self::Without(all, but) => queue.extend([&**but, &**all]),
                Self::If { then, condition, otherwise }
                | Self::Unless { then, condition, otherwise } => {
                    queue.extend(otherwise.as_deref());
                    queue.extend([&**condition, &**then]);
                }
            }
        }
        found
    }
}
