//! What the agent and its containers take of the guest at one moment, and what of it must
//! not grow.

use kata_agent_api::agent::GetMetricsRequest;
use serde::{Deserialize, Serialize};

use crate::guest::Guest;
use crate::trouble::{Trouble, call};

/// Bytes by which the agent's memory may differ between two moments with as many
/// containers: an allocator keeps a page here and there.
const SLACK: u64 = 256 << 10;

/// The agent's own metrics at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Resident memory of the agent in bytes, its program's pages among them.
    pub resident: u64,
    /// Memory in bytes that the guest's kernel could still give away.
    pub available: u64,
    /// Open files of the agent.
    pub open_files: u64,
    /// Processes of the guest but the kernel's own.
    pub processes: u64,
    /// Mounts that the agent sees.
    pub mounts: u64,
    /// Cgroups below the root.
    pub cgroups: u64,
}

impl Footprint {
    /// As the agent's metrics say now.
    pub(crate) async fn of(guest: &Guest) -> Result<Self, Trouble> {
        let answer = guest.rpc.get_metrics(guest.soon(), &GetMetricsRequest::default()).await;
        Self::read(&answer.map_err(call("GetMetrics"))?.metrics)
    }

    fn read(metrics: &str) -> Result<Self, Trouble> {
        let value = |name: &str| {
            let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
            let found = lines.find(|(found, _)| *found == name);
            let value = found.and_then(|(_, value)| value.parse().ok());
            value.ok_or_else(|| Trouble::Wrong(format!("the agent's metrics tell no {name}")))
        };
        Ok(Self {
            resident: value("kata_agent_total_rss")?,
            available: value("kata_guest_meminfo{item=\"memavailable\"}")?,
            open_files: value("kata_agent_open_files")?,
            processes: value("kata_guest_processes")?,
            mounts: value("kata_guest_mounts")?,
            cgroups: value("kata_guest_cgroups")?,
        })
    }

    /// What is more than before: one word for each, with both values.
    #[must_use]
    pub fn grown_since(&self, before: &Self) -> Vec<String> {
        let counts = [
            ("open files", before.open_files, self.open_files),
            ("processes", before.processes, self.processes),
            ("mounts", before.mounts, self.mounts),
            ("cgroups", before.cgroups, self.cgroups),
        ];
        let grown = counts.into_iter().filter(|(_, before, now)| now > before);
        let mut words: Vec<String> =
            grown.map(|(name, before, now)| format!("{name} from {before} to {now}")).collect();
        if self.resident > before.resident.saturating_add(SLACK) {
            let (before, now) = (before.resident >> 10, self.resident >> 10);
            words.push(format!("memory from {before} KiB to {now} KiB"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# HELP kata_agent_total_rss Bytes.\n# TYPE kata_agent_total_rss gauge\n\
        kata_agent_total_rss 5000000\nkata_guest_meminfo{item=\"memavailable\"} 400000000\n\
        kata_agent_open_files 12\nkata_guest_processes 1\nkata_guest_mounts 20\n\
        kata_guest_cgroups 3\n";

    #[test]
    fn metrics_are_read_by_name() {
        let found = Footprint::read(METRICS).unwrap();
        let expected = Footprint {
            resident: 5_000_000,
            available: 400_000_000,
            open_files: 12,
            processes: 1,
            mounts: 20,
            cgroups: 3,
        };
        assert_eq!(found, expected);
        let less = METRICS.replace("kata_guest_mounts 20\n", "");
        let trouble = Footprint::read(&less).unwrap_err().to_string();
        assert_eq!(trouble, "the agent's metrics tell no kata_guest_mounts");
    }

    #[test]
    fn what_grew_is_named() {
        let before = Footprint::read(METRICS).unwrap();
        let now = |change: fn(&mut Footprint)| {
            let mut now = before;
            change(&mut now);
            now.grown_since(&before)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(now(|_| ()), none);
        assert_eq!(now(|now| now.open_files -= 1), none);
        assert_eq!(now(|now| now.available -= 1 << 20), none, "others take memory too");
        assert_eq!(now(|now| now.open_files += 1), ["open files from 12 to 13"]);
        assert_eq!(now(|now| now.processes += 2), ["processes from 1 to 3"]);
        assert_eq!(now(|now| now.mounts += 1), ["mounts from 20 to 21"]);
        assert_eq!(now(|now| now.cgroups += 1), ["cgroups from 3 to 4"]);
        assert_eq!(now(|now| now.resident += SLACK), none);
        let words = ["memory from 4882 KiB to 5138 KiB"];
        assert_eq!(now(|now| now.resident += SLACK + 1), words);
        let both = now(|now| {
            now.mounts += 1;
            now.cgroups += 1;
        });
        assert_eq!(both, ["mounts from 20 to 21", "cgroups from 3 to 4"]);
    }
}
