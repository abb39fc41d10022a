//! Why no set of packages fits, in words. After the search has failed, this
//! draws the conclusions that a person would: what must be installed because it
//! is the only choice, what is ruled out by that, and where nothing is left.
//! It needs no record of the search, only the universe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Wanted;
use super::clauses::{Need, Origin};
use super::universe::Universe;
use crate::package::{Relation, Requirement};

/// How deep the tree of reasons goes, and how many lines it has at most.
const MAX_DEPTH: usize = 8;
const MAX_LINES: usize = 30;

/// The tree of reasons for a problem that has no solution.
pub(super) fn explain(universe: &Universe<'_>, wanted: &[Wanted]) -> String {
    let wanted: Vec<(Requirement, &str)> = wanted
        .iter()
        .filter(|want| !universe.is_assumed(&want.relation))
        .map(|want| (Requirement { alternatives: vec![want.relation.clone()] }, want.why.as_str()))
        .collect();
    let mut facts = Facts {
        universe,
        needs: BTreeMap::new(),
        ruled_out: BTreeMap::new(),
        forced: BTreeMap::new(),
        lines: Vec::new(),
    };
    facts.gather(&wanted);
    loop {
        facts.rule_out_broken();
        for (requirement, why) in &wanted {
            if facts.open(&universe.candidates(requirement)).is_empty() {
                return facts.tree(requirement, why);
            }
        }
        if !facts.force_only_choices(&wanted) {
            break;
        }
    }
    // Every chain of single choices held, so the contradiction needs a choice
    // between several packages to be seen.
    let names: Vec<String> = wanted.iter().map(|(r, why)| format!("{r} ({why})")).collect();
    format!(
        "cannot install all of these together, whichever packages are chosen:\n  {}",
        names.join("\n  ")
    )
}

/// Why a package can't be part of any solution.
#[derive(Clone)]
enum Cause<'a> {
    /// Nothing is left for this requirement.
    Broken(Need<'a>),
    /// It conflicts with a package that must be installed.
    Conflict(usize),
    /// Another version of it must be installed.
    OtherVersion(usize),
}

struct Facts<'u, 'p> {
    universe: &'u Universe<'p>,
    /// Every package within reach, and what it needs with who could meet that.
    needs: BTreeMap<usize, Vec<Need<'p>>>,
    ruled_out: BTreeMap<usize, Cause<'p>>,
    /// Packages without which there is no solution, and on whose account.
    forced: BTreeMap<usize, String>,
    lines: Vec<String>,
}

impl Facts<'_, '_> {
    fn gather(&mut self, wanted: &[(Requirement, &str)]) {
        let mut queue: VecDeque<usize> =
            wanted.iter().flat_map(|(r, _)| self.universe.candidates(r)).collect();
        while let Some(package) = queue.pop_front() {
            if self.needs.contains_key(&package) {
                continue;
            }
            let needs = self.universe.needs(package);
            queue.extend(needs.iter().flat_map(|need| &need.candidates));
            self.needs.insert(package, needs);
        }
    }

    /// The candidates that are not ruled out.
    fn open(&self, candidates: &[usize]) -> Vec<usize> {
        candidates.iter().copied().filter(|c| !self.ruled_out.contains_key(c)).collect()
    }

    /// Whether a need must be met: of each of its conditions some package must be
    /// installed.
    fn is_due(&self, need: &Need<'_>) -> bool {
        need.conditions.iter().all(|any| any.iter().any(|one| self.forced.contains_key(one)))
    }

    /// Rules out what needs something that nothing is left for, until no more is.
    fn rule_out_broken(&mut self) {
        loop {
            let broken: Vec<_> = self
                .needs
                .iter()
                .filter(|(package, _)| !self.ruled_out.contains_key(package))
                .filter_map(|(&package, needs)| {
                    let broken = |need: &&Need<'_>| {
                        self.is_due(need) && self.open(&need.candidates).is_empty()
                    };
                    Some((package, Cause::Broken(needs.iter().find(broken)?.clone())))
                })
                .collect();
            if broken.is_empty() {
                return;
            }
            self.ruled_out.extend(broken);
        }
    }

    /// Forces what is the only choice of something forced and rules out what that
    /// forbids. Says whether anything new was learnt.
    fn force_only_choices(&mut self, wanted: &[(Requirement, &str)]) -> bool {
        let mut news = Vec::new();
        for (requirement, why) in wanted {
            if let [only] = self.open(&self.universe.candidates(requirement))[..] {
                news.push((only, (*why).to_owned()));
            }
        }
        for &package in self.forced.keys() {
            let who = format!("needed by {}", self.name(package));
            for need in self.needs.get(&package).into_iter().flatten() {
                if let ([only], true) = (&self.open(&need.candidates)[..], self.is_due(need)) {
                    news.push((*only, who.clone()));
                }
            }
        }
        let before = (self.forced.len(), self.ruled_out.len());
        for (package, why) in news {
            if self.forced.contains_key(&package) || self.ruled_out.contains_key(&package) {
                continue;
            }
            self.forced.insert(package, why);
            self.rule_out_rivals(package);
        }
        before != (self.forced.len(), self.ruled_out.len())
    }

    fn rule_out_rivals(&mut self, package: usize) {
        for rival in self.universe.rivals(package) {
            self.ruled_out.entry(rival).or_insert(Cause::Conflict(package));
        }
        for other in self.universe.versions(&self.universe.packages[package].name) {
            if other != package {
                self.ruled_out.entry(other).or_insert(Cause::OtherVersion(package));
            }
        }
        // Conflicts count from either side.
        let from_the_other_side: Vec<usize> = self
            .needs
            .keys()
            .copied()
            .filter(|other| !self.ruled_out.contains_key(other))
            .filter(|&other| self.universe.rivals(other).contains(&package))
            .collect();
        for other in from_the_other_side {
            self.ruled_out.insert(other, Cause::Conflict(package));
        }
    }

    fn name(&self, package: usize) -> String {
        let package = &self.universe.packages[package];
        format!("{} {}", package.name, package.version)
    }

    /// The tree below something that was asked for and can't be had.
    fn tree(mut self, requirement: &Requirement, why: &str) -> String {
        self.lines.push(format!("cannot install {requirement} ({why}):"));
        let candidates = self.universe.candidates(requirement);
        if candidates.is_empty() {
            let state = self.state_of(requirement);
            self.lines.push(format!("  {state}"));
        }
        let mut told = BTreeSet::new();
        for candidate in candidates {
            self.tell(candidate, 1, &mut told);
        }
        if self.lines.len() > MAX_LINES {
            self.lines.truncate(MAX_LINES);
            self.lines.push("  … and so on".to_owned());
        }
        self.lines.join("\n")
    }

    /// Says why `package` is ruled out, one level deeper for each reason's reason.
    fn tell(&mut self, package: usize, depth: usize, told: &mut BTreeSet<usize>) {
        let name = self.name(package);
        let indent = "  ".repeat(depth);
        if !told.insert(package) {
            self.lines.push(format!("{indent}{name} can't be installed, as told above"));
            return;
        }
        match self.ruled_out.get(&package).cloned() {
            Some(Cause::Conflict(other)) => {
                let line = format!("{indent}{name} conflicts with {}", self.because(other));
                self.lines.push(line);
            }
            Some(Cause::OtherVersion(other)) => {
                let line = format!("{indent}{name} can't be next to {}", self.because(other));
                self.lines.push(line);
            }
            Some(Cause::Broken(Need { origin, candidates, .. })) => {
                if candidates.is_empty() {
                    let state = match origin {
                        Origin::Plain(requirement) => self.state_of(requirement),
                        Origin::Rich(_) => "no package could make that hold".to_owned(),
                    };
                    self.lines.push(format!("{indent}{name} needs {origin}, but {state}"));
                    return;
                }
                self.lines.push(format!("{indent}{name} needs {origin}:"));
                if depth >= MAX_DEPTH || self.lines.len() > MAX_LINES {
                    self.lines.push(format!("{indent}  … and so on"));
                    return;
                }
                for candidate in candidates {
                    self.tell(candidate, depth + 1, told);
                }
            }
            None => self.lines.push(format!("{indent}{name}")),
        }
    }

    /// A forced package and what forces it.
    fn because(&self, package: usize) -> String {
        match self.forced.get(&package) {
            Some(why) => format!("{}, which is {why}", self.name(package)),
            None => self.name(package),
        }
    }

    /// What the repository has where it lacks a requirement.
    fn state_of(&self, requirement: &Requirement) -> String {
        let states: Vec<String> =
            requirement.alternatives.iter().map(|relation| self.state_of_one(relation)).collect();
        states.join(" and ")
    }

    fn state_of_one(&self, relation: &Relation) -> String {
        let name = &relation.name;
        if self.universe.is_excluded(name) {
            return format!("{name} is excluded");
        }
        let mut has: Vec<String> =
            self.universe.versions(name).into_iter().map(|index| self.name(index)).collect();
        let mut providers: Vec<String> = self
            .universe
            .providers(name)
            .map(|(index, provide)| match &provide.version {
                Some(version) => format!("{} as {name} {version}", self.name(index)),
                None => format!("{} as {name} without a version", self.name(index)),
            })
            .collect();
        providers.sort();
        has.extend(providers);
        has.truncate(5);
        if has.is_empty() {
            format!("no package is or provides {name}")
        } else {
            format!("the repository has {}", has.join(", "))
        }
    }
}
