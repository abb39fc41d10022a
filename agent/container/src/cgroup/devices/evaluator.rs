//! Runs device programs as the kernel would, and says what rules mean without one. Knows
//! exactly the instructions that are emitted.

use super::instruction::{Instruction, Register};
use super::rules::{EVERY_ACCESS, Rule};

/// An access to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub kind: u8,
    pub major: u32,
    pub minor: u32,
    pub access: u8,
}

/// What rules say, one kind of access after the other: each is allowed when the last
/// rule that speaks of it allows it, and all must be.
pub(super) fn said(rules: &[Rule], asked: Access) -> bool {
    let bits = [1, 2, 4].into_iter().filter(|bit| asked.access & bit != 0);
    let matches = |rule: &Rule, bit: u8| {
        rule.access & bit != 0
            && rule.kind.is_none_or(|kind| kind == asked.kind)
            && rule.major.is_none_or(|major| major == asked.major)
            && rule.minor.is_none_or(|minor| minor == asked.minor)
    };
    bits.into_iter().all(|bit| {
        rules.iter().rev().find(|rule| matches(rule, bit)).is_some_and(|rule| rule.allow)
    })
}

/// Registers, of which only those that were set may be read, as the kernel demands.
struct Registers([Option<u32>; 11]);

impl Registers {
    fn get(&self, register: Register) -> u32 {
        self.0[usize::from(register.0)].expect("a register is set before it is read")
    }

    fn set(&mut self, register: Register, value: u32) {
        self.0[usize::from(register.0)] = Some(value);
    }
}

/// What a program answers.
pub(super) fn answered(program: &[Instruction], asked: Access) -> bool {
    assert!((1..=EVERY_ACCESS).contains(&asked.access), "the kernel asks for something");
    let context = [u32::from(asked.access) << 16 | u32::from(asked.kind), asked.major, asked.minor];
    let mut registers = Registers([None; 11]);
    let mut next = 0;
    loop {
        let instruction = program.get(next).expect("a program ends by itself");
        next += 1;
        let jumps = match *instruction {
            Instruction::Load { to, address, further } => {
                assert_eq!(address, Register(1), "that is where the context is");
                assert_eq!(further % 4, 0);
                registers.set(to, context[usize::try_from(further / 4).expect("it is not before")]);
                None
            }
            Instruction::Set { to, value } => {
                registers.set(to, value);
                None
            }
            Instruction::And { register, mask } => {
                registers.set(register, registers.get(register) & mask);
                None
            }
            Instruction::Jump { over } => Some(over),
            Instruction::IfNot { register, value, over } => {
                (registers.get(register) != value).then_some(over)
            }
            Instruction::If { register, value, over } => {
                (registers.get(register) == value).then_some(over)
            }
            Instruction::Exit => {
                return match registers.get(Register(0)) {
                    0 => false,
                    1 => true,
                    other => panic!("{other} is no answer"),
                };
            }
        };
        // The kernel wants no loops.
        next += jumps.map_or(0, |over| usize::try_from(over).expect("jumps go forwards"));
    }
}
