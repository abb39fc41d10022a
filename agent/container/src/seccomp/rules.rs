//! A spec's rules sorted by call number, for one instruction set.

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};

use super::arch::Arch;
use super::condition::Condition;
use super::{AT, Outcome, outcome};
use crate::spec::Invalid;

/// What happens with one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whatever its arguments.
    Always(Outcome),
    /// The first whose conditions all hold; the default when none does.
    Cases(Vec<Case>),
}

/// Conditions and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub conditions: Vec<Condition>,
    pub outcome: Outcome,
}

/// More than any profile has.
const MOST_NAMES: usize = 16384;

/// Sorts the rules. Names that this instruction set does not know are passed over.
pub(super) fn of(
    spec: &LinuxSeccomp,
    arch: Arch,
    default: Outcome,
) -> Result<BTreeMap<u32, Verdict>, Invalid> {
    let mut rules = BTreeMap::new();
    let mut names = 0;
    for rule in spec.syscalls().iter().flatten() {
        let outcome = outcome(rule.action(), rule.errno_ret())?;
        let sets = conditions(rule)?;
        for name in rule.names() {
            names += 1;
            if names > MOST_NAMES {
                return Err(Invalid::new(AT, format!("has more than {MOST_NAMES} names")));
            }
            // Nothing would change; libseccomp does not take such a rule at all.
            if outcome == default {
                continue;
            }
            if let Some(number) = arch.number(name) {
                for conditions in &sets {
                    add(&mut rules, number, conditions.clone(), outcome);
                }
            }
            // The multiplexer has the arguments in memory, where no filter sees them.
            if let Some((number, which)) = arch.multiplexed(name)
                && sets.iter().any(Vec::is_empty)
                && let Some(condition) =
                    Condition::new(0, LinuxSeccompOperator::ScmpCmpEq, which, 0)
            {
                add(&mut rules, number, vec![condition], outcome);
            }
        }
    }
    Ok(rules)
}

fn add(
    rules: &mut BTreeMap<u32, Verdict>,
    number: u32,
    conditions: Vec<Condition>,
    outcome: Outcome,
) {
    if conditions.is_empty() {
        match rules.get(&number) {
            Some(Verdict::Always(_)) => {}
            _ => drop(rules.insert(number, Verdict::Always(outcome))),
        }
        return;
    }
    match rules.entry(number).or_insert_with(|| Verdict::Cases(Vec::new())) {
        Verdict::Always(_) => {}
        Verdict::Cases(cases) => cases.push(Case { conditions, outcome }),
    }
}

/// The sets of conditions, one of which must hold. Two on the same argument make each
/// condition a set of its own, as runc has it.
fn conditions(rule: &LinuxSyscall) -> Result<Vec<Vec<Condition>>, Invalid> {
    let args: &[LinuxSeccompArg] = rule.args().as_deref().unwrap_or_default();
    if args.len() > 64 {
        return Err(Invalid::new(AT, "a rule has more than 64 conditions"));
    }
    let mut found = Vec::new();
    let mut repeated = false;
    for (place, arg) in args.iter().enumerate() {
        repeated |= args.iter().take(place).any(|other| other.index() == arg.index());
        let condition =
            Condition::new(arg.index(), arg.op(), arg.value(), arg.value_two().unwrap_or(0));
        found.push(
            condition.ok_or_else(|| {
                Invalid::new(AT, format!("a call has no argument {}", arg.index()))
            })?,
        );
    }
    if repeated {
        return Ok(found.into_iter().map(|one| vec![one]).collect());
    }
    Ok(vec![found])
}
