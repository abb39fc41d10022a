//! The answer to `GetDiagnosticData` with log_type [`BOOT_REPORT`]: how a guest
//! looks from inside just after boot. An extension of ours; the JSON is written
//! by the agent and read by whoever boots guests.
//!
//! Readers must accept unknown fields and writers may only add some, so that
//! either side can be newer.

use serde::{Deserialize, Serialize};

/// The `log_type` that asks for a [`BootReport`].
pub const BOOT_REPORT: &str = "boot-report";

/// State of a guest as its agent sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootReport {
    /// Version of the agent.
    pub agent_version: String,
    /// Version of the API that the agent speaks.
    pub api_version: String,
    /// Who runs as process 1.
    pub pid1: ProcessOne,
    /// Kernel release, as `uname -r` prints it.
    pub kernel_release: String,
    /// How `/` is mounted.
    pub root: RootMount,
    /// Wall clock at the time of the answer.
    pub clock: Clock,
    /// Seconds since boot at the time of the answer.
    pub uptime_seconds: u64,
    /// Nanoseconds since boot (CLOCK_BOOTTIME) when the server began to listen.
    pub agent_ready_ns: u64,
    /// State of systemd.
    pub systemd: Systemd,
    /// Memory of the guest.
    pub memory: Memory,
    /// Resident memory of the agent in bytes.
    pub agent_rss_bytes: u64,
    /// Kernel command line, without the line end.
    pub cmdline: String,
    /// All mounted filesystems, in the order of /proc/self/mountinfo.
    pub mounts: Vec<MountEntry>,
}

/// Identity of process 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessOne {
    /// Name as in /proc/1/comm.
    pub comm: String,
    /// Target of /proc/1/exe; empty when that can't be read.
    pub exe: String,
    /// The agent itself is process 1.
    pub is_agent: bool,
}

/// The mount of `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootMount {
    /// Device or name that is mounted, `rootfs` for an initramfs.
    pub source: String,
    /// Filesystem type.
    pub fstype: String,
    /// Options of mount and filesystem, joined by commas.
    pub options: String,
    /// File data is mapped from the device without the page cache.
    pub dax: bool,
}

/// A point in time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

/// State of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Systemd {
    /// Process 1 is systemd. When false, the other fields are empty.
    pub running: bool,
    /// First line of `systemctl --version`.
    pub version: String,
    /// Word that `systemctl is-system-running` prints: running, starting, degraded…
    pub state: String,
    /// Names of units in the failed state, in systemctl's order.
    pub failed_units: Vec<String>,
    /// Why systemctl could not be asked; empty when it answered.
    pub error: String,
}

/// Memory figures in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All that the kernel manages.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// What could be had without swapping.
    pub available: u64,
}

/// One line of the mount table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountEntry {
    /// Where.
    pub target: String,
    /// What.
    pub source: String,
    /// Filesystem type.
    pub fstype: String,
    /// Options of mount and filesystem, joined by commas.
    pub options: String,
}
