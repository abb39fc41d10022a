//! One condition on an argument, in instructions. Arguments have 64 bits, the filter's
//! machine 32: the upper half decides first, where it can.

use oci_spec::runtime::LinuxSeccompOperator;

/// A comparison of an argument, as a number without a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    argument: u32,
    operator: LinuxSeccompOperator,
    value: u64,
    second: u64,
}

/// An instruction whose jumps are not yet distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Loads 32 bits of the call's data.
    Load(u32),
    /// Keeps these bits of what was loaded.
    And(u32),
    /// Compares, and goes on where it says.
    If(Test, u32, Then, Then),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Greater,
    AtLeast,
}

/// Where a comparison leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// To the next instruction.
    Next,
    /// The condition holds.
    Holds,
    /// It does not.
    Fails,
}

/// Where the arguments begin in `struct seccomp_data`, of 8 bytes each.
const ARGUMENTS: u32 = 16;

impl Condition {
    /// None when a call has no such argument.
    pub(super) fn new(
        index: usize,
        operator: LinuxSeccompOperator,
        value: u64,
        second: u64,
    ) -> Option<Self> {
        let argument = u32::try_from(index).ok().filter(|index| *index < 6)?;
        Some(Self { argument, operator, value, second })
    }

    /// The instructions: at most six, and they end by holding, failing, or both.
    pub(super) fn steps(&self) -> Vec<Step> {
        use Step::{And, If, Load};
        use Test::{AtLeast, Equal, Greater};
        use Then::{Fails, Holds, Next};
        let low = Load(ARGUMENTS + 8 * self.argument);
        let high = Load(ARGUMENTS + 8 * self.argument + 4);
        let (upper, lower) = halves(self.value);
        match self.operator {
            LinuxSeccompOperator::ScmpCmpEq => {
                vec![high, If(Equal, upper, Next, Fails), low, If(Equal, lower, Holds, Fails)]
            }
            LinuxSeccompOperator::ScmpCmpNe => {
                vec![high, If(Equal, upper, Next, Holds), low, If(Equal, lower, Fails, Holds)]
            }
            LinuxSeccompOperator::ScmpCmpGt | LinuxSeccompOperator::ScmpCmpGe => {
                let strict = self.operator == LinuxSeccompOperator::ScmpCmpGt;
                let last = if strict { Greater } else { AtLeast };
                vec![
                    high,
                    If(Greater, upper, Holds, Next),
                    If(Equal, upper, Next, Fails),
                    low,
                    If(last, lower, Holds, Fails),
                ]
            }
            LinuxSeccompOperator::ScmpCmpLt | LinuxSeccompOperator::ScmpCmpLe => {
                let strict = self.operator == LinuxSeccompOperator::ScmpCmpLt;
                let last = if strict { AtLeast } else { Greater };
                vec![
                    high,
                    If(Greater, upper, Fails, Next),
                    If(Equal, upper, Next, Holds),
                    low,
                    If(last, lower, Fails, Holds),
                ]
            }
            // The first value is the mask, the second what must remain.
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                let (upper_rest, lower_rest) = halves(self.second & self.value);
                vec![
                    high,
                    And(upper),
                    If(Equal, upper_rest, Next, Fails),
                    low,
                    And(lower),
                    If(Equal, lower_rest, Holds, Fails),
                ]
            }
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    let lower = u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    (u32::try_from(value >> 32).unwrap_or_default(), lower)
}
