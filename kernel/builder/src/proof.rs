//! The proof that a configuration holds what was asked for: every requested
//! line is compared, and each that is lost comes with Kconfig's reason. It
//! reads no files and starts nothing.

use std::fmt;

use serde::Serialize;

use crate::dotconfig::DotConfig;
use crate::fragment::{Requested, Setting};
use crate::kconfig::{Kconfig, number};
use crate::reason::{Reason, reason};

/// Says that every requested line is in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Lines asked for, all of them met.
    pub requested: usize,
    /// Options built in, with those that others brought along.
    pub built_in: usize,
}

/// A requested line that did not survive.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// What was asked for, and where.
    pub requested: Requested,
    /// What the configuration holds instead; none where the option is off.
    pub actual: Option<String>,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actual = self.actual.as_deref().unwrap_or("n");
        write!(f, "{}: {} became {actual}{}", self.requested.place, self.requested, self.reason)
    }
}

/// Compares every requested line with the configuration.
///
/// # Errors
/// All lines that are not as requested.
pub fn prove(
    requested: &[Requested],
    config: &DotConfig,
    kconfig: impl FnOnce() -> Result<Kconfig, crate::KconfigError>,
) -> Result<Proof, crate::KernelError> {
    let lost: Vec<&Requested> = requested.iter().filter(|line| !met(line, config)).collect();
    if lost.is_empty() {
        return Ok(Proof { requested: requested.len(), built_in: config.built_in() });
    }
    // The option tree is large; only reasons need it.
    let kconfig = kconfig()?;
    let lost = lost
        .into_iter()
        .map(|line| Lost {
            requested: line.clone(),
            actual: config.get(&line.symbol).map(str::to_owned),
            reason: reason(&kconfig, config, line),
        })
        .collect();
    Err(crate::KernelError::Lost { lost })
}

fn met(requested: &Requested, config: &DotConfig) -> bool {
    let actual = config.get(&requested.symbol);
    match &requested.setting {
        Setting::Yes => actual == Some("y"),
        Setting::No => actual.is_none(),
        Setting::Value(wanted) => actual.is_some_and(|actual| {
            actual == wanted || number(wanted).is_some_and(|n| number(actual) == Some(n))
        }),
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
