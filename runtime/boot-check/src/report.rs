//! The report of a guest that booted.

use agent_suite::bench::Measured;
use serde::{Deserialize, Serialize};

use crate::checks::Check;
use crate::svg;
use crate::timeline::Timeline;

/// Everything found out about a guest that booted and passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// Guest time counts instructions.
    pub icount: bool,
    /// RAM in MiB.
    pub memory_mib: u64,
    /// Processors.
    pub cpus: u32,
    /// The agent's version.
    pub agent_version: String,
    /// How long each stage took.
    pub timeline: Timeline,
    /// The comparisons made, all passed.
    pub checks: Vec<Check>,
    /// The guest's own words.
    pub guest: kata_agent_api::BootReport,
    /// What the agent costs, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

impl BootReport {
    /// The report as JSON, with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists only: this can't fail.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The timeline as a picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(&self.timeline, &format!("Boot under {}", self.accelerator))
    }
}
