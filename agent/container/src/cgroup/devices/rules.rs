//! Device rules: those of a spec and those that every container has, as runc puts them
//! together. Of several rules that speak of an access the last one counts.

use std::path::Path;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use crate::spec::Invalid;

/// What the kernel calls a block device, and one of characters.
pub(super) const BLOCK: u8 = 1;
pub(super) const CHARACTER: u8 = 2;

/// The kinds of access, a bit each: to make a node, to read and to write.
pub(super) const MAKE: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const EVERY_ACCESS: u8 = MAKE | READ | WRITE;

/// More would be too complex for the kernel's check of the program.
const MOST_RULES: usize = 1024;

/// Allows or forbids some kinds of access to some devices; `None` means all of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub allow: bool,
    pub kind: Option<u8>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: u8,
}

impl Rule {
    const fn allowed(kind: u8, major: Option<u32>, minor: Option<u32>, access: u8) -> Self {
        Self { allow: true, kind: Some(kind), major, minor, access }
    }

    /// Whether it speaks of every device.
    pub(super) fn is_of_all_devices(&self) -> bool {
        (self.kind, self.major, self.minor) == (None, None, None)
    }

    /// Whether it leaves nothing to weaker rules.
    fn is_whole(&self) -> bool {
        self.is_of_all_devices() && self.access == EVERY_ACCESS
    }
}

/// Nodes of any device may be made; without further rules they can't be opened.
const NODES: [Rule; 2] =
    [Rule::allowed(CHARACTER, None, None, MAKE), Rule::allowed(BLOCK, None, None, MAKE)];

/// Devices that every container may use, unless its spec makes that path another one.
const ALWAYS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Terminals, the maker of terminals, and network tunnels.
const FURTHER: [Rule; 3] = [
    Rule::allowed(CHARACTER, Some(136), None, EVERY_ACCESS),
    Rule::allowed(CHARACTER, Some(5), Some(2), EVERY_ACCESS),
    Rule::allowed(CHARACTER, Some(10), Some(200), EVERY_ACCESS),
];

/// All rules of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// What holds where no rule speaks.
    pub(super) allow: bool,
    /// The later ones are stronger.
    pub(super) rules: Vec<Rule>,
}

impl Policy {
    /// The policy of a container with the spec's `rules`, and with `nodes` in its /dev.
    /// Nothing is allowed that no rule allows.
    pub(crate) fn new(rules: &[LinuxDeviceCgroup], nodes: &[LinuxDevice]) -> Result<Self, Invalid> {
        let at = "linux.resources.devices";
        if rules.len() > MOST_RULES {
            return Err(Invalid::new(at, format!("has more than {MOST_RULES} rules")));
        }
        let mut all = Vec::with_capacity(rules.len() + 11);
        for (number, rule) in rules.iter().enumerate() {
            all.push(parse(rule).map_err(|why| Invalid::new(format!("{at}[{number}]"), why))?);
        }
        all.extend(NODES);
        let replaced = |path: &str| nodes.iter().any(|node| node.path() == Path::new(path));
        all.extend(ALWAYS.iter().filter(|(path, ..)| !replaced(path)).map(|&(_, major, minor)| {
            Rule::allowed(CHARACTER, Some(major), Some(minor), EVERY_ACCESS)
        }));
        all.extend(FURTHER);
        Ok(Self::of(all))
    }

    pub(super) fn of(mut rules: Vec<Rule>) -> Self {
        let allow = match rules.iter().rposition(Rule::is_whole) {
            Some(last) => rules.drain(..=last).next_back().is_some_and(|rule| rule.allow),
            None => false,
        };
        // Before the first rule of the other mind, they only say what holds anyway.
        let first = rules.iter().position(|rule| rule.allow != allow).unwrap_or(rules.len());
        rules.drain(..first);
        Self { allow, rules }
    }

    /// Whether nothing is forbidden.
    pub(super) fn allows_all(&self) -> bool {
        self.allow && self.rules.is_empty()
    }
}

fn parse(rule: &LinuxDeviceCgroup) -> Result<Rule, String> {
    let kind = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::A => None,
        LinuxDeviceType::B => Some(BLOCK),
        LinuxDeviceType::C => Some(CHARACTER),
        other => return Err(format!("{:?} is no type of a rule: a, b and c are", other.as_str())),
    };
    let number = |number: Option<i64>| match number {
        // Numbers of all devices are no numbers; runc does not read them either.
        _ if kind.is_none() => Ok(None),
        None | Some(..0) => Ok(None),
        Some(number) => {
            u32::try_from(number).map(Some).map_err(|_| format!("{number} is no device's number"))
        }
    };
    let mut access = 0;
    for letter in rule.access().as_deref().unwrap_or_default().chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MAKE,
            other => return Err(format!("{other:?} is no access: r, w and m are")),
        };
    }
    if access == 0 {
        return Err("has no access: r, w and m are".to_owned());
    }
    let (major, minor) = (number(rule.major())?, number(rule.minor())?);
    Ok(Rule { allow: rule.allow(), kind, major, minor, access })
}
