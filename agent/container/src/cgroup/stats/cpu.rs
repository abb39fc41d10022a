//! Processor time.

use std::io;
use std::path::Path;

use super::file;

/// Processor time, all of it in nanoseconds. What each processor gave is not counted
/// in this hierarchy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// All time.
    pub total: u64,
    /// The part within the kernel.
    pub kernel: u64,
    /// The part within programs.
    pub user: u64,
    /// What the limit of processor time did.
    pub throttling: Throttling,
}

/// How often and how long processes stood still because their time was used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which something ran.
    pub periods: u64,
    /// Those of them in which the time was used up.
    pub throttled_periods: u64,
    /// How long processes stood still, in nanoseconds.
    pub throttled_time: u64,
}

pub(super) fn read(folder: &Path) -> io::Result<CpuStats> {
    let all = file::numbers(folder, "cpu.stat")?;
    let count = |name: &str| all.get(name).copied().unwrap_or(0);
    // The kernel says microseconds.
    let time = |name: &str| count(name).saturating_mul(1000);
    Ok(CpuStats {
        total: time("usage_usec"),
        kernel: time("system_usec"),
        user: time("user_usec"),
        throttling: Throttling {
            periods: count("nr_periods"),
            throttled_periods: count("nr_throttled"),
            throttled_time: time("throttled_usec"),
        },
    })
}
