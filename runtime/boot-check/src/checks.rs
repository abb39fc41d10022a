//! What a healthy guest looks like: pure comparisons between what was expected
//! and what the agent said.

use kata_agent_api::BootReport as GuestReport;
use serde::{Deserialize, Serialize};

/// How far the guest's clock may be from the host's, in milliseconds. The
/// real-time clock a guest starts from has whole seconds only.
pub const CLOCK_TOLERANCE_MS: i64 = 3000;

/// Who is expected to be process 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The agent itself.
    #[default]
    Agent,
    /// systemd, with the agent as its service.
    Systemd,
}

/// What the guest must turn out to be.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The agent's exact version; any, if not given.
    pub agent_version: Option<String>,
    /// Who is process 1.
    pub init: Init,
    /// The root is mounted with DAX.
    pub dax: bool,
    /// The root is mounted read-only, as disk images are.
    pub read_only: bool,
    /// The root's file system; any, if not given.
    pub root_fstype: Option<String>,
    /// The most memory the guest may use when idle, in bytes; any, if not given.
    pub memory_used_limit: Option<u64>,
    /// Extensions that are mounted, by name.
    pub extensions: Vec<String>,
}

/// One comparison and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was compared, such as `root mount`.
    pub name: String,
    /// Whether it is as expected.
    pub passed: bool,
    /// What was found, and what was expected if that differs.
    pub detail: String,
}

impl Check {
    pub(crate) fn new(name: &str, passed: bool, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), passed, detail: detail.into() }
    }
}

/// Compares the guest's own report with what is expected. The version and the
/// clock, which have failure classes of their own, are not among these.
#[must_use]
pub fn examine(guest: &GuestReport, expect: &Expectations) -> Vec<Check> {
    let mut checks = vec![pid1(guest, expect.init), root(guest, expect)];
    if expect.dax {
        let found = if guest.root.dax { "with DAX" } else { "without DAX" };
        let detail = format!("{} is mounted {found} ({})", guest.root.source, guest.root.options);
        checks.push(Check::new("dax", guest.root.dax, detail));
    }
    checks.extend(expect.extensions.iter().map(|name| extension(guest, name)));
    checks.push(units(guest, expect.init));
    checks.push(memory(guest, expect.memory_used_limit));
    checks
}

fn pid1(guest: &GuestReport, init: Init) -> Check {
    let pid1 = &guest.pid1;
    let passed = match init {
        Init::Agent => pid1.is_agent,
        Init::Systemd => !pid1.is_agent && pid1.comm == "systemd",
    };
    let expected = match init {
        Init::Agent => "the agent",
        Init::Systemd => "systemd",
    };
    let found = format!("process 1 is {} ({})", pid1.comm, pid1.exe);
    let detail = if passed { found } else { format!("{found}, expected {expected}") };
    Check::new("pid 1", passed, detail)
}

fn root(guest: &GuestReport, expect: &Expectations) -> Check {
    let root = &guest.root;
    let found = format!("{} of type {} ({})", root.source, root.fstype, root.options);
    match &expect.root_fstype {
        Some(fstype) if *fstype != root.fstype => {
            Check::new("root mount", false, format!("{found}, expected type {fstype}"))
        }
        _ if expect.read_only && !root.options.split(',').any(|option| option == "ro") => {
            Check::new("root mount", false, format!("{found}, expected to be read-only"))
        }
        _ => Check::new("root mount", !root.fstype.is_empty(), found),
    }
}

fn extension(guest: &GuestReport, name: &str) -> Check {
    let target = format!("/run/kata-extensions/{name}");
    let check = format!("extension {name}");
    let Some(mount) = guest.mounts.iter().find(|mount| mount.target == target) else {
        return Check::new(&check, false, format!("nothing is mounted at {target}"));
    };
    let read_only = mount.options.split(',').any(|option| option == "ro");
    let detail = format!("{} of type {} ({})", mount.source, mount.fstype, mount.options);
    Check::new(&check, read_only && mount.fstype == "erofs", detail)
}

fn units(guest: &GuestReport, init: Init) -> Check {
    let systemd = &guest.systemd;
    let name = "failed units";
    match init {
        Init::Agent => Check::new(name, !systemd.running, "no systemd, as expected"),
        Init::Systemd if !systemd.running => Check::new(name, false, "systemd does not run"),
        Init::Systemd if !systemd.error.is_empty() => {
            Check::new(name, false, systemd.error.clone())
        }
        Init::Systemd if systemd.failed_units.is_empty() => {
            Check::new(name, true, format!("none; the system is {}", systemd.state))
        }
        Init::Systemd => Check::new(name, false, systemd.failed_units.join(", ")),
    }
}

fn memory(guest: &GuestReport, limit: Option<u64>) -> Check {
    const MIB: u64 = 1024 * 1024;
    let memory = &guest.memory;
    let used = memory.total.saturating_sub(memory.available);
    let mut detail = format!("{} of {} MiB used", used / MIB, memory.total / MIB);
    let within = limit.is_none_or(|limit| used <= limit);
    if let (false, Some(limit)) = (within, limit) {
        detail.push_str(&format!(", expected at most {} MiB", limit / MIB));
    }
    Check::new("memory", within && memory.total > 0, detail)
}

/// How far `guest_ms` is from the span the host measured around the question,
/// all in milliseconds since 1970; positive when the guest is ahead.
#[must_use]
pub fn clock_skew_ms(guest_ms: i64, host_before_ms: i64, host_after_ms: i64) -> i64 {
    if guest_ms < host_before_ms {
        guest_ms.saturating_sub(host_before_ms)
    } else if guest_ms > host_after_ms {
        guest_ms.saturating_sub(host_after_ms)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn systemd_guest() -> GuestReport {
        let mut guest = GuestReport::default();
        guest.pid1.comm = "systemd".into();
        guest.pid1.exe = "/usr/lib/systemd/systemd".into();
        guest.root.source = "/dev/pmem0p1".into();
        guest.root.fstype = "ext4".into();
        guest.root.options = "ro,relatime,dax=always".into();
        guest.root.dax = true;
        guest.systemd.running = true;
        guest.systemd.state = "running".into();
        guest.memory.total = 480 << 20;
        guest.memory.available = 440 << 20;
        guest
    }

    fn expectations() -> Expectations {
        Expectations {
            init: Init::Systemd,
            dax: true,
            read_only: true,
            root_fstype: Some("ext4".into()),
            memory_used_limit: Some(64 << 20),
            ..Expectations::default()
        }
    }

    fn failed(guest: &GuestReport) -> Vec<String> {
        let checks = examine(guest, &expectations());
        checks.into_iter().filter(|check| !check.passed).map(|check| check.name).collect()
    }

    #[test]
    fn a_healthy_guest_passes_everything() {
        assert_eq!(failed(&systemd_guest()), Vec::<String>::new());
    }

    #[test]
    fn each_deviation_fails_its_own_check() {
        let broken = |change: fn(&mut GuestReport)| {
            let mut guest = systemd_guest();
            change(&mut guest);
            failed(&guest)
        };
        assert_eq!(broken(|guest| guest.pid1.comm = "init".into()), ["pid 1"]);
        assert_eq!(broken(|guest| guest.pid1.is_agent = true), ["pid 1"]);
        assert_eq!(broken(|guest| guest.root.fstype = "erofs".into()), ["root mount"]);
        assert_eq!(broken(|guest| guest.root.options = "rw,dax".into()), ["root mount"]);
        assert_eq!(broken(|guest| guest.root.dax = false), ["dax"]);
        assert_eq!(
            broken(|guest| guest.systemd.failed_units.push("tmp.mount".into())),
            ["failed units"]
        );
        assert_eq!(broken(|guest| guest.systemd.error = "no systemctl".into()), ["failed units"]);
        assert_eq!(broken(|guest| guest.systemd.running = false), ["failed units"]);
        assert_eq!(broken(|guest| guest.memory.available = 1), ["memory"]);
    }

    #[test]
    fn extensions_are_mounted_read_only() {
        let mut guest = systemd_guest();
        let expect = Expectations { extensions: vec!["gpu".into()], ..expectations() };
        let failed = |guest: &GuestReport| {
            let checks = examine(guest, &expect).into_iter().filter(|check| !check.passed);
            checks.map(|check| format!("{}: {}", check.name, check.detail)).collect::<Vec<_>>()
        };
        let missing = "extension gpu: nothing is mounted at /run/kata-extensions/gpu";
        assert_eq!(failed(&guest), [missing]);
        guest.mounts.push(kata_agent_api::MountEntry {
            target: "/run/kata-extensions/gpu".into(),
            source: "/dev/dm-0".into(),
            fstype: "erofs".into(),
            options: "ro,nodev".into(),
        });
        assert_eq!(failed(&guest), Vec::<String>::new());
        guest.mounts[0].options = "rw".into();
        assert_eq!(failed(&guest), ["extension gpu: /dev/dm-0 of type erofs (rw)"]);
    }

    #[test]
    fn an_agent_guest_needs_the_agent_as_process_one() {
        let mut guest = GuestReport::default();
        guest.pid1.is_agent = true;
        guest.root.fstype = "rootfs".into();
        guest.memory.total = 1;
        assert!(examine(&guest, &Expectations::default()).iter().all(|check| check.passed));
        guest.pid1.is_agent = false;
        assert!(!examine(&guest, &Expectations::default())[0].passed);
    }

    #[test]
    fn skew_is_zero_inside_the_hosts_span() {
        assert_eq!(clock_skew_ms(1500, 1000, 2000), 0);
        assert_eq!(clock_skew_ms(900, 1000, 2000), -100);
        assert_eq!(clock_skew_ms(2500, 1000, 2000), 500);
        assert_eq!(clock_skew_ms(i64::MIN, 1000, 2000), i64::MIN);
    }
}
