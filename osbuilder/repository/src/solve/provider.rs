//! The bridge to `resolvo`: hands it names, candidates and constraints as it
//! asks, so that only packages within reach are ever looked at. The rules are
//! the universe's; nothing is decided here.
//!
//! What resolvo calls a name is a package's own name. A relation on a provided
//! name becomes a union over the names of the packages that provide it, in order
//! of preference, so that resolvo needs no notion of providing.
//!
//! resolvo tells exactly whether any package of a name is installed, but not
//! whether one of some versions is. A condition on some versions only is
//! therefore one on a marker: a made-up package that just those versions need.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies,
    DependencyProvider, Interner, KnownDependencies, LogicalOperator, NameId, Problem, Requirement,
    SolvableId, Solver, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use super::Wanted;
use super::clauses::Origin;
use super::universe::Universe;

/// Indexes of a set of packages that hold together, or `None` if there is none.
pub(super) fn search(universe: &Universe<'_>, wanted: &[Wanted]) -> Option<Vec<usize>> {
    let bridge = Bridge { universe, markers: Markers::of(universe), tables: RefCell::default() };
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
    let real = |&index: &usize| index < universe.packages.len();
    Some(chosen.into_iter().map(DenseIndex::to_index).filter(real).collect())
}

/// The markers of all conditions on some versions of a name. Their numbers as
/// solvables follow those of the packages.
#[derive(Default)]
struct Markers {
    /// The versions that each stands for.
    members: Vec<Vec<usize>>,
    ids: HashMap<Vec<usize>, usize>,
    of_package: HashMap<usize, Vec<usize>>,
}

/// What a marker's name begins with; no package's name does.
const MARK: char = '\0';

impl Markers {
    fn of(universe: &Universe<'_>) -> Self {
        let mut markers = Self::default();
        for (index, _) in universe.packages.iter().enumerate().filter(|(_, p)| !p.rich.is_empty()) {
            for part in universe
                .rich(index)
                .flat_map(|need| need.conditions)
                .flat_map(|any| by_name(universe, &any).map(<[usize]>::to_vec).collect::<Vec<_>>())
            {
                if !is_whole_name(universe, &part) && !markers.ids.contains_key(&part) {
                    let id = markers.members.len();
                    for &member in &part {
                        markers.of_package.entry(member).or_default().push(id);
                    }
                    markers.ids.insert(part.clone(), id);
                    markers.members.push(part);
                }
            }
        }
        markers
    }
}

/// Runs of packages of one name.
fn by_name<'a>(universe: &Universe<'_>, some: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
    let packages = universe.packages;
    some.chunk_by(move |&a, &b| packages[a].name == packages[b].name)
}

/// Whether packages of one name are all there are.
fn is_whole_name(universe: &Universe<'_>, some: &[usize]) -> bool {
    let name = some.first().map(|&first| universe.packages[first].name.as_str());
    name.is_none_or(|name| universe.versions(name).iter().all(|version| some.contains(version)))
}

struct Bridge<'u, 'p> {
    universe: &'u Universe<'p>,
    markers: Markers,
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
    conditions: Vec<Condition>,
    condition_ids: HashMap<Condition, ConditionId>,
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

    fn condition(&mut self, condition: Condition) -> ConditionId {
        if let Some(&id) = self.condition_ids.get(&condition) {
            return id;
        }
        let id = ConditionId::from_index(self.conditions.len());
        self.conditions.push(condition.clone());
        self.condition_ids.insert(condition, id);
        id
    }

    /// Conditions joined by an operator; nothing for none.
    fn joined(&mut self, all: Vec<ConditionId>, operator: LogicalOperator) -> Option<ConditionId> {
        all.into_iter()
            .reduce(|left, right| self.condition(Condition::Binary(operator, left, right)))
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

impl Bridge<'_, '_> {
    /// That of each list some package is installed; nothing for no lists.
    fn condition(&self, lists: &[Vec<usize>]) -> Option<ConditionId> {
        let mut all = Vec::new();
        for list in lists {
            let mut any = Vec::new();
            for part in by_name(self.universe, list) {
                let (name, members) = match self.markers.ids.get(part) {
                    Some(&marker) => {
                        (self.marker_name(marker), vec![self.universe.packages.len() + marker])
                    }
                    None => (self.universe.packages[part[0]].name.clone(), part.to_vec()),
                };
                let mut tables = self.tables.borrow_mut();
                let name = tables.name(&name);
                let set = tables.set(Set { name, members, all_but: false });
                any.push(tables.condition(Condition::Requirement(set)));
            }
            all.extend(self.tables.borrow_mut().joined(any, LogicalOperator::Or));
        }
        self.tables.borrow_mut().joined(all, LogicalOperator::And)
    }

    fn marker_name(&self, marker: usize) -> String {
        format!("{MARK}{marker}")
    }

    /// The marker of a solvable, if it is one.
    fn marker(&self, solvable: SolvableId) -> Option<usize> {
        solvable.to_index().checked_sub(self.universe.packages.len())
    }

    /// All solvables of a name, the preferred first.
    fn of_name(&self, name: &str) -> Vec<usize> {
        match name.strip_prefix(MARK).and_then(|marker| marker.parse::<usize>().ok()) {
            Some(marker) => vec![self.universe.packages.len() + marker],
            None => self.universe.versions(name),
        }
    }
}

impl Interner for Bridge<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        match self.universe.packages.get(solvable.to_index()) {
            Some(package) => format!("{} {}", package.name, package.version),
            None => format!("marker {}", solvable.to_index()),
        }
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
        match self.marker(solvable) {
            Some(marker) => self.tables.borrow_mut().name(&self.marker_name(marker)),
            None => {
                let name = &self.universe.packages[solvable.to_index()].name;
                self.tables.borrow_mut().name(name)
            }
        }
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.tables.borrow().unions[union.to_index()].clone().into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.tables.borrow().conditions[condition.to_index()].clone()
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
            self.of_name(&name).into_iter().map(SolvableId::from_index).collect();
        (!candidates.is_empty()).then(|| Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        // All are of one name, and that name's packages come newest first.
        let Some(first) = solvables.first() else { return };
        let Some(first) = self.universe.packages.get(first.to_index()) else { return };
        let order = self.universe.versions(&first.name);
        let place: HashMap<usize, usize> = order.into_iter().zip(0..).collect();
        solvables.sort_by_key(|id| place.get(&id.to_index()).copied());
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        if self.marker(solvable).is_some() {
            return Dependencies::Known(KnownDependencies::default());
        }
        let index = solvable.to_index();
        let mut requirements: Vec<ConditionalRequirement> = self
            .universe
            .needs(index)
            .iter()
            .map(|need| {
                let fallback = match need.origin {
                    Origin::Plain(requirement) => requirement.alternatives.first(),
                    Origin::Rich(_) => None,
                };
                let fallback = fallback.map_or("", |relation| &relation.name);
                let requirement = self.requirement(&need.candidates, fallback);
                ConditionalRequirement {
                    condition: self.condition(&need.conditions),
                    ..requirement
                }
            })
            .collect();
        for &marker in self.markers.of_package.get(&index).into_iter().flatten() {
            let mut tables = self.tables.borrow_mut();
            let name = tables.name(&self.marker_name(marker));
            let members = vec![self.universe.packages.len() + marker];
            requirements.push(tables.set(Set { name, members, all_but: false }).into());
        }
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
