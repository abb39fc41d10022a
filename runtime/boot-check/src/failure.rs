//! The report of a guest that did not boot or did not pass.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checks::Check;
use crate::classify::{Diagnosis, FailureClass};
use crate::svg;
use crate::timeline::{Stage, Timeline};

/// What a boot ends in. The failure is boxed, being large and rare.
pub type Outcome = Result<crate::report::BootReport, Box<BootFailure>>;

/// Why a boot failed, and everything known at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFailure {
    /// The stage that was under way.
    pub stage: Stage,
    /// What is wrong, and what to look at.
    pub diagnosis: Diagnosis,
    /// The last lines of the console, oldest first.
    pub console_tail: Vec<String>,
    /// The stages that were finished.
    pub timeline: Timeline,
    /// The comparisons made so far.
    pub checks: Vec<Check>,
}

impl BootFailure {
    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> &FailureClass {
        &self.diagnosis.class
    }

    /// The failure as JSON, with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists only: this can't fail.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The timeline up to the failure as a picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(&self.timeline, &format!("Boot that failed: {}", self.diagnosis.explanation))
    }
}

impl fmt::Display for BootFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnosis = &self.diagnosis;
        let (stage, class) = (self.stage.name(), diagnosis.class.name());
        write!(formatter, "the boot failed at the stage {stage} ({class}): ")?;
        write!(formatter, "{}", diagnosis.explanation)?;
        if let Some(evidence) = &diagnosis.evidence {
            write!(formatter, "\n  seen: {evidence}")?;
        }
        if let Some(suspect) = &diagnosis.suspect {
            write!(formatter, "\n  look at: {suspect}")?;
        }
        for check in self.checks.iter().filter(|check| !check.passed) {
            write!(formatter, "\n  {}: {}", check.name, check.detail)?;
        }
        if !self.console_tail.is_empty() {
            write!(formatter, "\n  last console lines:")?;
        }
        for line in &self.console_tail {
            write!(formatter, "\n    {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BootFailure {}
