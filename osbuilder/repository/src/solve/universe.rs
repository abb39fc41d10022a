//! The packages to choose from, by name: what satisfies a relation and in which
//! order of preference, and what a package rules out. All rules of the packaging
//! systems that the search obeys are here; it knows no search.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::Exceptions;
use super::clauses::{self, Need, Origin};
use crate::package::{Family, Package, Provide, Relation, Requirement};
use crate::version;

/// How many names an error suggests, and how alike they must be.
const SUGGESTIONS: usize = 3;
const ALIKE: f64 = 0.84;
/// Marks the end of a chain.
const END: usize = usize::MAX;

/// Packages by name. Two maps with chains through vectors: one allocation for
/// each of 65,000 names would cost more than the whole search.
pub(super) struct Universe<'a> {
    pub packages: &'a [Package],
    exceptions: &'a Exceptions,
    /// The last package of each name; `next_of_name` leads to the ones before.
    by_name: HashMap<&'a str, usize>,
    next_of_name: Vec<usize>,
    /// The last entry of each provided name.
    provided: HashMap<&'a str, usize>,
    entries: Vec<Entry<'a>>,
}

/// One name that one package provides.
struct Entry<'a> {
    package: usize,
    provide: &'a Provide,
    next: usize,
}

impl<'a> Universe<'a> {
    pub fn new(packages: &'a [Package], exceptions: &'a Exceptions) -> Self {
        let excluded: BTreeSet<&str> = exceptions.exclude.iter().map(String::as_str).collect();
        let mut universe = Self {
            packages,
            exceptions,
            by_name: HashMap::with_capacity(packages.len()),
            next_of_name: vec![END; packages.len()],
            provided: HashMap::with_capacity(packages.len() / 2),
            entries: Vec::with_capacity(packages.len() / 2),
        };
        for (index, package) in packages.iter().enumerate() {
            if excluded.contains(package.name.as_str()) {
                continue;
            }
            let before = universe.by_name.insert(&package.name, index);
            universe.next_of_name[index] = before.unwrap_or(END);
            for provide in &package.provides {
                let entry = universe.entries.len();
                let next = universe.provided.insert(&provide.name, entry).unwrap_or(END);
                universe.entries.push(Entry { package: index, provide, next });
            }
        }
        universe
    }

    /// Whether any package has or provides the name.
    pub fn is_known(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.provided.contains_key(name)
    }

    /// Whether the recipe forbids packages of this name.
    pub fn is_excluded(&self, name: &str) -> bool {
        self.exceptions.exclude.iter().any(|excluded| excluded == name)
    }

    /// Whether the relation is met without a package.
    pub fn is_assumed(&self, relation: &Relation) -> bool {
        let family = self.packages.first().map_or(Family::Deb, |package| package.family);
        self.exceptions.assume.iter().any(|assumed| provides(family, assumed, relation))
    }

    /// All packages of a name, the newest first.
    pub fn versions(&self, name: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = self.by_name.get(name).copied().unwrap_or(END);
        while at != END {
            found.push(at);
            at = self.next_of_name[at];
        }
        found.sort_by(|&a, &b| self.newest_first(a, b));
        found
    }

    /// Packages that satisfy a relation, the preferred first: packages of that
    /// name, newest first, then those that provide it, by their names.
    pub fn matches(&self, relation: &Relation) -> Vec<usize> {
        let mut found = self.versions(&relation.name);
        found.retain(|&index| self.has_version(index, relation));
        let mut providers: Vec<usize> = self
            .providers(&relation.name)
            .filter(|(index, provide)| provides(self.packages[*index].family, provide, relation))
            .map(|(index, _)| index)
            .filter(|index| !found.contains(index))
            .collect();
        providers.sort_by(|&a, &b| {
            let name = |index: usize| &self.packages[index].name;
            name(a).cmp(name(b)).then_with(|| self.newest_first(a, b))
        });
        providers.dedup();
        found.extend(providers);
        found
    }

    /// Packages that satisfy a requirement, the preferred first.
    pub fn candidates(&self, requirement: &Requirement) -> Vec<usize> {
        if let [relation] = &requirement.alternatives[..] {
            return self.matches(relation);
        }
        let mut found = Vec::new();
        for relation in &requirement.alternatives {
            for index in self.matches(relation) {
                if !found.contains(&index) {
                    found.push(index);
                }
            }
        }
        found
    }

    /// What a package needs from other packages.
    pub fn needs(&self, index: usize) -> Vec<Need<'a>> {
        let package = &self.packages[index];
        let plain = package.depends.iter().filter(|requirement| {
            !requirement.alternatives.iter().any(|relation| {
                let own_name = relation.name == package.name
                    && meets(package.family, &package.version, relation);
                own_name
                    || package.provides.iter().any(|p| provides(package.family, p, relation))
                    || self.is_assumed(relation)
            })
        });
        let mut needs: Vec<Need<'a>> = plain
            .map(|requirement| Need {
                origin: Origin::Plain(requirement),
                candidates: self.candidates(requirement),
                conditions: Vec::new(),
            })
            .collect();
        needs.extend(self.rich(index).filter(|need| !need.is_conflict()));
        needs
    }

    /// The clauses of a package's boolean dependencies.
    pub fn rich(&self, index: usize) -> impl Iterator<Item = Need<'a>> {
        let rich = &self.packages[index].rich;
        rich.iter().flat_map(move |rich| clauses::of_rich(self, index, rich))
    }

    /// Packages of other names that can't be installed along with this one. Other
    /// versions of its own name never can, which the search knows by itself.
    pub fn rivals(&self, package: usize) -> BTreeSet<usize> {
        let this = &self.packages[package];
        let mut rivals = BTreeSet::new();
        for relation in &this.conflicts {
            rivals.extend(self.matches(relation));
        }
        for need in self.rich(package).filter(Need::is_conflict) {
            rivals.extend(need.conditions.into_iter().flatten());
        }
        match this.family {
            Family::Apk => self.add_apk_rivals(this, &mut rivals),
            Family::Rpm => self.add_obsolete(this, &mut rivals),
            Family::Deb => {}
        }
        rivals.retain(|&rival| self.packages[rival].name != this.name);
        rivals
    }

    /// In apk a name may have one owner: a package of that name or one that
    /// provides it with a version. Only versionless provides may be shared.
    fn add_apk_rivals(&self, this: &Package, rivals: &mut BTreeSet<usize>) {
        let versioned = this.provides.iter().filter(|provide| provide.version.is_some());
        let names = versioned.map(|provide| provide.name.as_str()).chain([this.name.as_str()]);
        for name in names {
            rivals.extend(self.versions(name));
            rivals.extend(self.providers(name).map(|(index, _)| index));
        }
    }

    /// In rpm a package takes the place of those it obsoletes, which are meant by
    /// their own names only, never by what they provide.
    fn add_obsolete(&self, this: &Package, rivals: &mut BTreeSet<usize>) {
        for relation in &this.replaces {
            let mut obsolete = self.versions(&relation.name);
            obsolete.retain(|&index| self.has_version(index, relation));
            rivals.extend(obsolete);
        }
    }

    /// Names that look like `name`, the most alike first.
    pub fn nearest(&self, name: &str) -> Vec<String> {
        let names: BTreeSet<&str> = self.by_name.keys().copied().collect();
        let mut scored: Vec<(f64, &str)> = names
            .into_iter()
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .filter(|(score, _)| *score >= ALIKE)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(SUGGESTIONS).map(|(_, known)| known.to_owned()).collect()
    }

    /// Packages that provide a name, and how.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = (usize, &'a Provide)> {
        let mut at = self.provided.get(name).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let entry = self.entries.get(at)?;
            at = entry.next;
            Some((entry.package, entry.provide))
        })
    }

    fn has_version(&self, index: usize, relation: &Relation) -> bool {
        let package = &self.packages[index];
        meets(package.family, &package.version, relation)
    }

    fn newest_first(&self, a: usize, b: usize) -> Ordering {
        let (left, right) = (&self.packages[a], &self.packages[b]);
        version::compare(left.family, &right.version, &left.version).then(a.cmp(&b))
    }
}

/// Whether `version` meets the relation's constraint, if it has one.
pub(super) fn meets(family: Family, version: &str, relation: &Relation) -> bool {
    match &relation.constraint {
        None => true,
        Some((op, wanted)) => version::satisfies(family, version, *op, wanted),
    }
}

/// Whether a provided name meets a relation. Without a version it meets only
/// relations that ask for none; in rpm it meets all.
fn provides(family: Family, provide: &Provide, relation: &Relation) -> bool {
    provide.name == relation.name
        && match &provide.version {
            None => family == Family::Rpm || relation.constraint.is_none(),
            Some(version) => meets(family, version, relation),
        }
}
