//! What a container has used so far, as its cgroup's files tell it. The kernel makes a
//! file only where its controller is enabled: without one the numbers are 0. Knows files
//! and numbers, no message of any protocol.

mod cpu;
mod file;
mod hugetlb;
mod io;
mod memory;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub use self::cpu::{CpuStats, Throttling};
pub use self::hugetlb::HugetlbStats;
pub use self::io::{IoEntry, IoStats};
pub use self::memory::{MemoryCounter, MemoryStats};
use super::Cgroup;
use crate::error::{During, Error};

/// What a container has used since it was made, and its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Memory and swap.
    pub memory: MemoryStats,
    /// Processes and threads.
    pub pids: PidsStats,
    /// Block devices.
    pub io: IoStats,
    /// Huge pages, by their size as in `2MB`.
    pub hugetlb: BTreeMap<String, HugetlbStats>,
}

/// Processes, each of their threads counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// How many there are.
    pub current: u64,
    /// How many there may be; 0 means any number, as runc says it.
    pub limit: u64,
}

impl Cgroup {
    /// What its processes have used, and those below it.
    pub(crate) fn stats(&self) -> Result<Stats, Error> {
        read(self.folder())
            .during(|| format!("can't read what {} has used", self.folder().display()))
    }
}

fn read(folder: &Path) -> std::io::Result<Stats> {
    // Without this a cgroup that has gone would have used nothing.
    fs::metadata(folder)?;
    Ok(Stats {
        cpu: cpu::read(folder)?,
        memory: memory::read(folder)?,
        pids: PidsStats {
            current: file::number(folder, "pids.current")?,
            limit: match file::number(folder, "pids.max")? {
                file::UNLIMITED => 0,
                limit => limit,
            },
        },
        io: io::read(folder)?,
        hugetlb: hugetlb::read(folder)?,
    })
}

#[cfg(test)]
mod tests;
