//! A policy as a program. The kernel calls it with the address of three numbers of 32
//! bits: kind of device below kind of access, major and minor number (`struct
//! bpf_cgroup_dev_ctx`), and allows the access if it returns 1.

use super::instruction::{Instruction, Register};
use super::rules::{MAKE, Policy, READ, Rule, WRITE};

/// Where the answer is expected at the end; until then, what is looked at.
const RESULT: Register = Register(0);
/// Where the kernel has put the address.
const CONTEXT: Register = Register(1);

/// Judges each kind of access that is wanted for itself. The kernel's check follows every
/// way through a program with all that it knows of the registers on this way. Since each
/// rule loads what it looks at, nothing is known at its beginning, and it is followed once.
pub(super) fn assemble(policy: &Policy) -> Vec<Instruction> {
    let mut program = Vec::new();
    for access in [MAKE, READ, WRITE] {
        program.extend(judge(policy, access));
    }
    program.extend(end(true));
    program
}

fn load(further: i16) -> Instruction {
    Instruction::Load { to: RESULT, address: CONTEXT, further }
}

fn end(allow: bool) -> [Instruction; 2] {
    [Instruction::Set { to: RESULT, value: allow.into() }, Instruction::Exit]
}

/// At most so many rules of so few instructions are passed that it fits.
fn distance(instructions: usize) -> i16 {
    i16::try_from(instructions).unwrap_or(i16::MAX)
}

/// Ends if this kind of access is wanted and forbidden, else goes on behind itself.
fn judge(policy: &Policy, access: u8) -> Vec<Instruction> {
    let mut allow = policy.allow;
    let mut rules = Vec::new();
    // The strongest first. The kernel takes no instructions that are never reached.
    for rule in policy.rules.iter().rev().filter(|rule| rule.access & access != 0) {
        if rule.is_of_all_devices() {
            allow = rule.allow;
            break;
        }
        rules.push(rule);
    }
    let mut blocks = vec![if allow { Vec::new() } else { end(false).to_vec() }];
    let mut length = blocks.iter().map(Vec::len).sum();
    for rule in rules.into_iter().rev() {
        let block = block(rule, length);
        length += block.len();
        blocks.push(block);
    }
    let wanted = u32::from(access) << 16;
    let mut judged = vec![
        load(0),
        Instruction::And { register: RESULT, mask: wanted },
        Instruction::If { register: RESULT, value: 0, over: distance(length) },
    ];
    judged.extend(blocks.into_iter().rev().flatten());
    judged
}

/// Goes over what follows if the rule allows it, ends if it forbids it, and goes on if
/// it does not speak of the device.
fn block(rule: &Rule, following: usize) -> Vec<Instruction> {
    let answer = if rule.allow {
        vec![Instruction::Jump { over: distance(following) }]
    } else {
        end(false).to_vec()
    };
    // Put together from the end, so that it is known how far the end is.
    let mut program = answer;
    let conditions = [
        (
            vec![load(0), Instruction::And { register: RESULT, mask: 0xffff }],
            rule.kind.map(u32::from),
        ),
        (vec![load(4)], rule.major),
        (vec![load(8)], rule.minor),
    ];
    for (mut condition, value) in conditions.into_iter().rev() {
        if let Some(value) = value {
            let over = distance(program.len());
            condition.push(Instruction::IfNot { register: RESULT, value, over });
            condition.append(&mut program);
            program = condition;
        }
    }
    program
}
