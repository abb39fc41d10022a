//! What the memory agent may do: defaults, names on the command line, and how a value
//! reads. Names and defaults are those of other Kata agents.

use std::time::Duration;

/// Everything that can be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether there is a memory agent at all.
    pub enable: bool,
    /// Of reclaiming.
    pub memcg: Memcg,
    /// Of compaction.
    pub compact: Compact,
}

/// When memory of control groups is reclaimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memcg {
    /// Not at all.
    pub disabled: bool,
    /// Swap anonymous memory out too, not only drop cached files.
    pub swap: bool,
    /// How much swapping is preferred to dropping files where `swap` is set, 0 to 200.
    pub swappiness_max: u8,
    /// Between two rounds.
    pub period: Duration,
    /// A group is busy, and left alone, with more pressure than this, in percent.
    pub period_psi_limit: u8,
    /// Reclaiming from a group ends when it causes more pressure than this, in percent.
    pub eviction_psi_limit: u8,
    /// Rounds in a row in which a group must have been idle. With MGLRU these are
    /// generations that the kernel counts; rounds mean the same without.
    pub idle_rounds: u64,
}

impl Default for Memcg {
    fn default() -> Self {
        Self {
            disabled: false,
            swap: false,
            swappiness_max: 50,
            period: Duration::from_secs(600),
            period_psi_limit: 1,
            eviction_psi_limit: 1,
            idle_rounds: 3,
        }
    }
}

/// When free memory is made whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compact {
    /// Not at all.
    pub disabled: bool,
    /// Between two looks.
    pub period: Duration,
    /// The guest is busy, and left alone, with more pressure than this, in percent.
    pub period_psi_limit: u8,
    /// As the one before, over the last ten seconds: the kernel's compaction can't be
    /// stopped once it runs, so what would stop it keeps it from beginning.
    pub psi_limit: u8,
    /// A compaction that took more seconds is the last one, until this is set anew:
    /// it can't be stopped half way.
    pub sec_max: i64,
    /// Free memory in pieces of less than two to this power of pages is split.
    pub order: u8,
    /// So many split pages more than after the last compaction make it worth while.
    pub threshold: u64,
    /// After so many looks without a compaction there is one anyway.
    pub force_times: u64,
}

impl Default for Compact {
    fn default() -> Self {
        Self {
            disabled: false,
            period: Duration::from_secs(600),
            period_psi_limit: 1,
            psi_limit: 5,
            sec_max: 1800,
            order: 9,
            threshold: 1024,
            force_times: u64::MAX,
        }
    }
}

impl Settings {
    /// Sets what a name such as `mem_agent_memcg_swap` stands for. None where there is
    /// no such name.
    pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let (memcg, compact) = (&mut self.memcg, &mut self.compact);
        Some(match name.strip_prefix("mem_agent_")? {
            "enable" => put(&mut self.enable, flag(value)),
            "memcg_disable" => put(&mut memcg.disabled, flag(value)),
            "memcg_swap" => put(&mut memcg.swap, flag(value)),
            "memcg_swappiness_max" => put(&mut memcg.swappiness_max, within(value, 0, 200)),
            "memcg_period_secs" => put(&mut memcg.period, seconds(value)),
            "memcg_period_psi_percent_limit" => put(&mut memcg.period_psi_limit, percent(value)),
            "memcg_eviction_psi_percent_limit" => {
                put(&mut memcg.eviction_psi_limit, percent(value))
            }
            "memcg_eviction_run_aging_count_min" => {
                put(&mut memcg.idle_rounds, within(value, 0, u64::MAX))
            }
            "compact_disable" => put(&mut compact.disabled, flag(value)),
            "compact_period_secs" => put(&mut compact.period, seconds(value)),
            "compact_period_psi_percent_limit" => {
                put(&mut compact.period_psi_limit, percent(value))
            }
            "compact_psi_percent_limit" => put(&mut compact.psi_limit, percent(value)),
            "compact_sec_max" => put(&mut compact.sec_max, within(value, 1, i64::MAX)),
            "compact_order" => put(&mut compact.order, within(value, 0, 10)),
            "compact_threshold" => put(&mut compact.threshold, within(value, 0, u64::MAX)),
            "compact_force_times" => put(&mut compact.force_times, within(value, 0, u64::MAX)),
            _ => return None,
        })
    }
}

fn put<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

fn flag(value: &str) -> Result<bool, String> {
    crate::config::flag(value)
}

fn within<T: Copy + std::str::FromStr + PartialOrd + std::fmt::Display>(
    value: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("{value:?} is no number from {least} to {most}")),
    }
}

fn percent(value: &str) -> Result<u8, String> {
    within(value, 0, 100)
}

/// A year is as good as never, and can be added to any clock.
fn seconds(value: &str) -> Result<Duration, String> {
    within(value, 1, 31_536_000).map(Duration::from_secs)
}
