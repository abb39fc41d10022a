//! What a package needs, as clauses: if some of these packages are installed, one
//! of those must be. Plain dependencies are clauses without a condition; boolean
//! ones are brought into this form here. It knows no search.

use std::fmt;

use super::universe::Universe;
use crate::package::{Expression, Requirement, Rich};

/// Where a clause comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A list of alternatives.
    Plain(&'a Requirement),
    /// A boolean expression.
    Rich(&'a Rich),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(requirement) => requirement.fmt(f),
            Self::Rich(rich) if rich.forbidden => write!(f, "not {}", rich.expression),
            Self::Rich(rich) => rich.expression.fmt(f),
        }
    }
}

/// If of every condition some package is installed, one of the candidates,
/// earlier ones preferred, must be.
#[derive(Debug, Clone)]
pub(super) struct Need<'a> {
    pub origin: Origin<'a>,
    pub candidates: Vec<usize>,
    pub conditions: Vec<Vec<usize>>,
}

impl Need<'_> {
    /// Whether it only rules out packages: one condition and no candidates.
    pub fn is_conflict(&self) -> bool {
        self.candidates.is_empty() && self.conditions.len() == 1
    }
}

/// A clause while it is put together.
#[derive(Debug, Clone, Default)]
struct Clause {
    candidates: Vec<usize>,
    conditions: Vec<Vec<usize>>,
}

/// Packages that satisfy something, and whether it is satisfied anyway.
struct Members {
    packages: Vec<usize>,
    given: bool,
}

/// The clauses of a boolean dependency of `package`. What is assumed, and what
/// the package itself satisfies, needs nothing more.
pub(super) fn of_rich<'a>(
    universe: &Universe<'_>,
    package: usize,
    rich: &'a Rich,
) -> Vec<Need<'a>> {
    let context = Context { universe, package };
    context
        .clauses(&rich.expression, !rich.forbidden)
        .into_iter()
        .map(|Clause { candidates, conditions }| Need {
            origin: Origin::Rich(rich),
            candidates,
            conditions,
        })
        .collect()
}

struct Context<'u, 'p> {
    universe: &'u Universe<'p>,
    package: usize,
}

impl Context<'_, '_> {
    /// Clauses that all must hold so that the expression holds, or doesn't. How
    /// many there can be is bounded where expressions are read.
    fn clauses(&self, expression: &Expression, holds: bool) -> Vec<Clause> {
        match expression {
            Expression::Relation(_) | Expression::With(_) | Expression::Without(..) => {
                self.literal(self.members(expression), holds)
            }
            Expression::And(all) => self.list(all, holds, holds),
            Expression::Or(all) => self.list(all, !holds, holds),
            Expression::If { then, condition, otherwise } => {
                // (then or not condition) and (otherwise or condition)
                let first = self.pair(then, holds, condition, !holds, !holds);
                match otherwise {
                    None => first,
                    Some(otherwise) => {
                        let second = self.pair(otherwise, holds, condition, holds, !holds);
                        if holds { both(first, second) } else { either(&first, &second) }
                    }
                }
            }
            Expression::Unless { then, condition, otherwise } => {
                // (then and not condition) or (otherwise and condition)
                let first = self.pair(then, holds, condition, !holds, holds);
                match otherwise {
                    None => first,
                    Some(otherwise) => {
                        let second = self.pair(otherwise, holds, condition, holds, holds);
                        if holds { either(&first, &second) } else { both(first, second) }
                    }
                }
            }
        }
    }

    /// All of a list, joined by "and" or by "or".
    fn list(&self, all: &[Expression], and: bool, holds: bool) -> Vec<Clause> {
        let mut parts = all.iter().map(|one| self.clauses(one, holds));
        let first = parts.next().unwrap_or_default();
        parts.fold(first, |sum, part| if and { both(sum, part) } else { either(&sum, &part) })
    }

    fn pair(
        &self,
        left: &Expression,
        left_holds: bool,
        right: &Expression,
        right_holds: bool,
        and: bool,
    ) -> Vec<Clause> {
        let (left, right) = (self.clauses(left, left_holds), self.clauses(right, right_holds));
        if and { both(left, right) } else { either(&left, &right) }
    }

    fn literal(&self, members: Members, holds: bool) -> Vec<Clause> {
        match (members.given, holds) {
            // True anyway: nothing to demand, or nothing that could help.
            (true, true) => Vec::new(),
            (true, false) => vec![Clause::default()],
            (false, true) => vec![Clause { candidates: members.packages, ..Clause::default() }],
            (false, false) if members.packages.is_empty() => Vec::new(),
            (false, false) => {
                vec![Clause { conditions: vec![members.packages], ..Clause::default() }]
            }
        }
    }

    /// Who satisfies an expression about one package.
    fn members(&self, expression: &Expression) -> Members {
        match expression {
            Expression::Relation(relation) => {
                let packages = self.universe.matches(relation);
                let given = packages.contains(&self.package) || self.universe.is_assumed(relation);
                Members { packages, given }
            }
            Expression::With(all) => {
                let mut all = all.iter().map(|one| self.members(one));
                let first = all.next().unwrap_or(Members { packages: Vec::new(), given: false });
                all.fold(first, |mut sum, part| {
                    sum.packages.retain(|package| part.packages.contains(package));
                    sum.given &= part.given;
                    sum
                })
            }
            Expression::Without(all, but) => {
                let (mut all, but) = (self.members(all), self.members(but));
                all.packages.retain(|package| !but.packages.contains(package));
                all.given &= !but.given;
                all
            }
            // What is no single package's matter has no single package.
            _ => Members { packages: Vec::new(), given: false },
        }
    }
}

fn both(mut left: Vec<Clause>, right: Vec<Clause>) -> Vec<Clause> {
    left.extend(right);
    left
}

/// One of two lists of clauses holds if each pair has a part that does.
fn either(left: &[Clause], right: &[Clause]) -> Vec<Clause> {
    let mut product = Vec::with_capacity(left.len() * right.len());
    for a in left {
        for b in right {
            let mut clause = a.clone();
            for &candidate in &b.candidates {
                if !clause.candidates.contains(&candidate) {
                    clause.candidates.push(candidate);
                }
            }
            clause.conditions.extend(b.conditions.iter().cloned());
            product.push(clause);
        }
    }
    product
}
