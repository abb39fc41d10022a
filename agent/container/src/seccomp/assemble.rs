//! Puts a filter's program together: first the instruction set, then the call's number
//! by halving, then the arguments.

use std::collections::BTreeMap;

use super::arch::{Arch, X32_BIT};
use super::condition::{Condition, Step, Test, Then};
use super::rules::{Case, Verdict};
use super::{KILL_THREAD, NO_SUCH_CALL, Outcome};

/// The rules of one instruction set.
pub(super) struct Block {
    pub arch: Arch,
    pub rules: BTreeMap<u32, Verdict>,
    /// The highest number that the filter knows; those above do not exist.
    pub last: Option<u32>,
}

/// Where `struct seccomp_data` has the call's number, and the instruction set.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn end(outcome: Outcome) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, outcome)
}

fn compare(test: Test, value: u32, jt: u8, jf: u8) -> libc::sock_filter {
    let code = match test {
        Test::Equal => libc::BPF_JEQ,
        Test::Greater => libc::BPF_JGT,
        Test::AtLeast => libc::BPF_JGE,
    };
    instruction(libc::BPF_JMP | code | libc::BPF_K, jt, jf, value)
}

/// Over so many instructions; unlike a comparison it reaches everywhere.
fn over(distance: usize) -> libc::sock_filter {
    let distance = u32::try_from(distance).unwrap_or(u32::MAX);
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, distance)
}

/// `then` when the comparison holds, `otherwise` when not; both must end themselves.
fn choose(
    test: Test,
    value: u32,
    then: Vec<libc::sock_filter>,
    otherwise: Vec<libc::sock_filter>,
) -> Vec<libc::sock_filter> {
    let mut chosen = vec![compare(test, value, 1, 0), over(then.len())];
    chosen.extend(then);
    chosen.extend(otherwise);
    chosen
}

/// The whole program.
pub(super) fn program(blocks: &[Block], default: Outcome) -> Vec<libc::sock_filter> {
    let find = |arch| blocks.iter().find(|block| block.arch == arch);
    let mut program = vec![end(KILL_THREAD)];
    for block in blocks.iter().filter(|block| block.arch != Arch::X32) {
        let mut calls = calls(block, default);
        if block.arch == Arch::X86_64 {
            // Both have the same name in the kernel; a bit of the number tells them apart.
            let short = match find(Arch::X32) {
                Some(short) => self::calls(short, default),
                None => vec![end(KILL_THREAD)],
            };
            calls = choose(Test::AtLeast, X32_BIT, short, calls);
        }
        calls.insert(0, load(NUMBER));
        program = choose(Test::Equal, block.arch.audit(), calls, program);
    }
    program.insert(0, load(ARCH));
    program
}

/// Decides by the number, which is loaded.
fn calls(block: &Block, default: Outcome) -> Vec<libc::sock_filter> {
    // Ranges of numbers with the same verdict, each from its first number on.
    let mut ranges: Vec<(u32, Option<&Verdict>)> = vec![(0, None)];
    let mut next = 0;
    for (&number, verdict) in &block.rules {
        if number != next && ranges.last().is_some_and(|(_, last)| last.is_some()) {
            ranges.push((next, None));
        }
        if ranges.last().is_none_or(|(_, last)| *last != Some(verdict)) {
            if ranges.last().is_some_and(|(first, _)| *first == number) {
                ranges.pop();
            }
            ranges.push((number, Some(verdict)));
        }
        next = number.saturating_add(1);
    }
    if ranges.last().is_some_and(|(_, last)| last.is_some()) {
        ranges.push((next, None));
    }
    let known = halve(&ranges, default);
    match block.last {
        Some(last) => choose(Test::Greater, last, vec![end(NO_SUCH_CALL)], known),
        None => known,
    }
}

fn halve(ranges: &[(u32, Option<&Verdict>)], default: Outcome) -> Vec<libc::sock_filter> {
    match ranges {
        [] => vec![end(default)],
        [(_, verdict)] => match verdict {
            None => vec![end(default)],
            Some(Verdict::Always(outcome)) => vec![end(*outcome)],
            Some(Verdict::Cases(cases)) => self::cases(cases, default),
        },
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let first = upper.first().map_or(0, |(first, _)| *first);
            let (lower, upper) = (halve(lower, default), halve(upper, default));
            choose(Test::AtLeast, first, upper, lower)
        }
    }
}

fn cases(cases: &[Case], default: Outcome) -> Vec<libc::sock_filter> {
    let mut program = Vec::new();
    for case in cases {
        program.extend(self::case(case));
    }
    program.push(end(default));
    program
}

/// Ends with the outcome, or falls through to what follows.
fn case(case: &Case) -> Vec<libc::sock_filter> {
    let conditions: Vec<Vec<Step>> = case.conditions.iter().map(Condition::steps).collect();
    let total: usize = conditions.iter().map(Vec::len).sum();
    let mut program = Vec::with_capacity(total + 1);
    for steps in &conditions {
        let holds_at = program.len() + steps.len();
        for step in steps {
            // Six conditions of six instructions at most: each distance fits 8 bits.
            let from = program.len() + 1;
            let distance = |then: Then| {
                let to = match then {
                    Then::Next => from,
                    Then::Holds => holds_at,
                    Then::Fails => total + 1,
                };
                u8::try_from(to - from).unwrap_or(u8::MAX)
            };
            program.push(match *step {
                Step::Load(offset) => load(offset),
                Step::And(mask) => {
                    instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask)
                }
                Step::If(test, value, then, otherwise) => {
                    compare(test, value, distance(then), distance(otherwise))
                }
            });
        }
    }
    program.push(end(case.outcome));
    program
}
