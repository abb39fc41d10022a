//! Choosing packages: from what a recipe asks for to a set that needs nothing
//! outside of itself and in which nothing conflicts. The search is `resolvo`'s;
//! what names, versions, alternatives and conflicts mean is decided in
//! `universe`. It reads [`Package`]s of any family and no files.

mod clauses;
mod explain;
mod provider;
mod universe;

#[cfg(test)]
mod rich_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::package::{Package, Provide, Relation};
use universe::Universe;

/// Something that must be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What: a package's name or a name that packages provide.
    pub relation: Relation,
    /// Who asks, in words that fit into brackets: `asked for by the recipe`.
    pub why: String,
}

/// What a recipe settles before the search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// Names of packages that are never chosen, as if the repository lacked them.
    pub exclude: Vec<String>,
    /// What is there without a package; dependencies on it need nothing more.
    pub assume: Vec<Provide>,
}

/// A chosen package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its index in the packages that were given.
    pub index: usize,
    /// What brought it in first.
    pub because: Reason,
}

/// What brought a package in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for; the [`Wanted::why`] of the one who did.
    Asked(String),
    /// Another chosen package needs it.
    DependencyOf {
        /// Index of that package.
        package: usize,
        /// The dependency as that package spells it.
        requirement: String,
    },
}

/// Why no set of packages was found.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SolveError {
    /// A name that was asked for is nobody's.
    #[error("there is no package {name} ({why}){}", suggestion(nearest))]
    NotFound {
        /// The name.
        name: String,
        /// Names that look like it, the nearest first.
        nearest: Vec<String>,
        /// Who asked for it.
        why: String,
    },
    /// What was asked for can't be had together, or not at all.
    #[error("{0}")]
    Unsatisfiable(
        /// An indented tree of reasons, without a line break at its end.
        String,
    ),
    /// There are more packages than the search can number.
    #[error("there are more than {} packages", u32::MAX)]
    TooMany,
}

fn suggestion(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

/// Finds a set of packages for all of `wanted`, sorted by name.
///
/// Of several answers the same one is always given: earlier alternatives before
/// later ones, a package of a name before one that provides it, newer versions
/// before older ones, then names in alphabetical order, then the order given.
///
/// # Errors
/// [`SolveError`] with the reason in words.
pub fn solve(
    packages: &[Package],
    wanted: &[Wanted],
    exceptions: &Exceptions,
) -> Result<Vec<Selected>, SolveError> {
    if u32::try_from(packages.len()).is_err() {
        return Err(SolveError::TooMany);
    }
    let universe = Universe::new(packages, exceptions);
    for want in wanted {
        let name = &want.relation.name;
        if !universe.is_known(name) && !universe.is_assumed(&want.relation) {
            return Err(SolveError::NotFound {
                name: name.clone(),
                nearest: universe.nearest(name),
                why: want.why.clone(),
            });
        }
    }
    let Some(chosen) = provider::search(&universe, wanted) else {
        return Err(SolveError::Unsatisfiable(explain::explain(&universe, wanted)));
    };
    let selected = reasons(&universe, wanted, &chosen);
    // What the search says of conditions is checked and not believed: a wrong
    // answer must end here, and not in a guest.
    if let Some(broken) = broken(&universe, &selected) {
        return Err(SolveError::Unsatisfiable(broken));
    }
    Ok(selected)
}

/// The names of chosen packages whose files may be overwritten by one that
/// declares `relations` (its Replaces), sorted. A relation is about packages of
/// that very name, in both packaging systems, and only about the versions it
/// asks for; what was not chosen has no files.
pub fn replaced(selected: &[&Package], relations: &[Relation]) -> Vec<String> {
    let mut names: Vec<String> = selected
        .iter()
        .filter(|package| {
            relations.iter().any(|relation| {
                relation.name == package.name
                    && universe::meets(package.family, &package.version, relation)
            })
        })
        .map(|package| package.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A need of a selected package that the selected ones do not meet, in words.
fn broken(universe: &Universe<'_>, selected: &[Selected]) -> Option<String> {
    let has = |any: &[usize]| any.iter().any(|index| selected.iter().any(|s| s.index == *index));
    selected.iter().find_map(|Selected { index, .. }| {
        let needs = universe.needs(*index);
        let need = needs.iter().find(|need| {
            need.conditions.iter().all(|condition| has(condition)) && !has(&need.candidates)
        })?;
        let Package { name, version, .. } = &universe.packages[*index];
        Some(format!("  {name} {version} needs {}, which the choice does not meet", need.origin))
    })
}

/// Walks the chosen packages from what was asked for, so that each gets its
/// reason. One that the walk does not meet was needed by nobody and is left out.
fn reasons(universe: &Universe<'_>, wanted: &[Wanted], chosen: &[usize]) -> Vec<Selected> {
    let mut is_chosen = vec![false; universe.packages.len()];
    chosen.iter().for_each(|&index| is_chosen[index] = true);
    let first_chosen =
        |candidates: &[usize]| candidates.iter().copied().find(|&index| is_chosen[index]);
    let mut found: BTreeMap<usize, Reason> = BTreeMap::new();
    let mut queue = VecDeque::new();
    for want in wanted.iter().filter(|want| !universe.is_assumed(&want.relation)) {
        if let Some(index) = first_chosen(&universe.matches(&want.relation)) {
            found.entry(index).or_insert_with(|| {
                queue.push_back(index);
                Reason::Asked(want.why.clone())
            });
        }
    }
    while let Some(package) = queue.pop_front() {
        for need in universe.needs(package) {
            let holds = |condition: &Vec<usize>| first_chosen(condition).is_some();
            if !need.conditions.iter().all(holds) {
                continue;
            }
            if let Some(index) = first_chosen(&need.candidates) {
                found.entry(index).or_insert_with(|| {
                    queue.push_back(index);
                    Reason::DependencyOf { package, requirement: need.origin.to_string() }
                });
            }
        }
    }
    let mut selected: Vec<Selected> =
        found.into_iter().map(|(index, because)| Selected { index, because }).collect();
    selected.sort_by(|a, b| {
        let name = |s: &Selected| &universe.packages[s.index].name;
        name(a).cmp(name(b)).then(a.index.cmp(&b.index))
    });
    selected
}
