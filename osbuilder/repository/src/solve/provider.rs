//! The bridge to `resolvo`: hands it names, candidates and constraints as it
//! asks, so that only packages within reach are ever looked at. The rules are
//! the universe's; nothing is decided here.
//!
//! What resolvo calls a name is a package's own name. A relation on a provided
//! name becomes a union over the names of the packages that provide it, in order
//! of preference, so that resolvo needs no notion of providing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies,
    DependencyProvider, Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId,
    Solver, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use super::Wanted;
use super::universe::Universe;

/// Indexes of a set of packages that hold together, or `None` if there is none.
pub(super) fn search(universe: &Universe<'_>, wanted: &[Wanted]) -> Option<Vec<usize>> {
    let bridge = Bridge { universe, tables: RefCell::default() };
    let requirements = wanted
        .iter()
        .filter(|want| !universe.is_assumed(&want.relation))
        .map(|want| {
            let fallback = &want.relation.name;
            bridge.requirement(&universe.matches(&want.relation), fallback)
        })
        .collect();
    let problem = Problem::new().requirements(requirements);
    // Nothing here ever asks for cancellation, so an error means "no solution".
    let chosen = Solver::new(bridge).solve(problem).ok()?;
    Some(chosen.into_iter().map(DenseIndex::to_index).collect())
}

struct Bridge<'u, 'p> {
    universe: &'u Universe<'p>,
    tables: RefCell<Tables>,
}

/// What resolvo refers to by number. Equal things get equal numbers, since
/// resolvo caches by them.
#[derive(Default)]
struct Tables {
    names: Vec<String>,
    name_ids: HashMap<String, NameId>,
    sets: Vec<Set>,
    set_ids: HashMap<Set, VersionSetId>,
    unions: Vec<Vec<VersionSetId>>,
    union_ids: HashMap<Vec<VersionSetId>, VersionSetUnionId>,
}

/// Some packages of one name, or all but some.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Set {
    name: NameId,
    members: Vec<usize>,
    all_but: bool,
}

impl Tables {
    fn name(&mut self, name: &str) -> NameId {
        if let Some(&id) = self.name_ids.get(name) {
            return id;
        }
        let id = NameId::from_index(self.names.len());
        self.names.push(name.to_owned());
        self.name_ids.insert(name.to_owned(), id);
        id
    }

    fn set(&mut self, set: Set) -> VersionSetId {
        if let Some(&id) = self.set_ids.get(&set) {
            return id;
        }
        let id = VersionSetId::from_index(self.sets.len());
        self.sets.push(set.clone());
        self.set_ids.insert(set, id);
        id
    }

    fn union(&mut self, sets: Vec<VersionSetId>) -> VersionSetUnionId {
        if let Some(&id) = self.union_ids.get(&sets) {
            return id;
        }
        let id = VersionSetUnionId::from_index(self.unions.len());
        self.unions.push(sets.clone());
        self.union_ids.insert(sets, id);
        id
    }
}

impl Bridge<'_, '_> {
    /// One of the candidates, in their order. Without any the requirement is one
    /// on no version of `fallback`, which nothing meets.
    fn requirement(&self, candidates: &[usize], fallback: &str) -> ConditionalRequirement {
        let packages = self.universe.packages;
        let mut tables = self.tables.borrow_mut();
        let mut sets: Vec<VersionSetId> = candidates
            .chunk_by(|&a, &b| packages[a].name == packages[b].name)
            .map(|chunk| {
                let name = tables.name(&packages[chunk[0]].name);
                tables.set(Set { name, members: chunk.to_vec(), all_but: false })
            })
            .collect();
        match (sets.pop(), sets.is_empty()) {
            (None, _) => {
                let name = tables.name(fallback);
                tables.set(Set { name, members: Vec::new(), all_but: false }).into()
            }
            (Some(only), true) => only.into(),
            (Some(last), false) => {
                sets.push(last);
                let union = tables.union(sets);
                Requirement::Union(union).into()
            }
        }
    }
}

impl Interner for Bridge<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let package = &self.universe.packages[solvable.to_index()];
        format!("{} {}", package.name, package.version)
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.tables.borrow().names[name.to_index()].clone()
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        format!("set {}", version_set.0)
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        format!("text {}", string_id.0)
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.tables.borrow().sets[version_set.to_index()].name
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        let name = &self.universe.packages[solvable.to_index()].name;
        self.tables.borrow_mut().name(name)
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.tables.borrow().unions[union.to_index()].clone().into_iter()
    }

    fn resolve_condition(&self, _condition: ConditionId) -> Condition {
        unreachable!("no requirement here has a condition")
    }
}

impl DependencyProvider for Bridge<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let tables = self.tables.borrow();
        let set = &tables.sets[version_set.to_index()];
        let in_set = |id: &SolvableId| set.members.contains(&id.to_index()) != set.all_but;
        candidates.iter().copied().filter(|id| in_set(id) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let name = self.tables.borrow().names[name.to_index()].clone();
        let candidates: Vec<SolvableId> =
            self.universe.versions(&name).into_iter().map(SolvableId::from_index).collect();
        (!candidates.is_empty()).then(|| Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        // All are of one name, and that name's packages come newest first.
        let Some(first) = solvables.first() else { return };
        let order = self.universe.versions(&self.universe.packages[first.to_index()].name);
        let place: HashMap<usize, usize> = order.into_iter().zip(0..).collect();
        solvables.sort_by_key(|id| place.get(&id.to_index()).copied());
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let index = solvable.to_index();
        let requirements = self
            .universe
            .needs(index)
            .map(|requirement| {
                let fallback = requirement.alternatives.first().map_or("", |r| &r.name);
                self.requirement(&self.universe.candidates(requirement), fallback)
            })
            .collect();
        let mut rivals: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for rival in self.universe.rivals(index) {
            rivals.entry(&self.universe.packages[rival].name).or_default().push(rival);
        }
        let mut tables = self.tables.borrow_mut();
        let constrains = rivals
            .into_iter()
            .map(|(name, members)| {
                let name = tables.name(name);
                tables.set(Set { name, members, all_but: true })
            })
            .collect();
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}
