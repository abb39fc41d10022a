//! Gathers the boot report: how the guest looks from inside. Reads only; the one
//! program it runs is systemctl, and only where systemd is process 1.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kata_agent_api::{API_VERSION, BootReport, Clock, ProcessOne, Systemd};

use crate::reaper::{Finished, Reaper};
use crate::server::Agent;
use crate::{VERSION, procfs};

const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// A TCG guest under load is slow; systemctl itself waits for nothing.
const SYSTEMCTL_DEADLINE: Duration = Duration::from_secs(30);

/// Gathers everything. What can't be found out is left empty.
pub async fn collect(agent: &Agent) -> BootReport {
    let mounts = procfs::mounts(&read("/proc/self/mountinfo"));
    let pid1 = ProcessOne {
        comm: read("/proc/1/comm").trim().to_owned(),
        exe: fs::read_link("/proc/1/exe")
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        is_agent: std::process::id() == 1,
    };
    let systemd =
        if pid1.comm == "systemd" { systemd(&agent.reaper).await } else { Systemd::default() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let uptime = read("/proc/uptime");
    BootReport {
        agent_version: VERSION.to_owned(),
        api_version: API_VERSION.to_owned(),
        pid1,
        kernel_release: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        root: procfs::root(&mounts),
        clock: Clock {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: now.subsec_nanos(),
        },
        uptime_seconds: uptime.split('.').next().and_then(|s| s.parse().ok()).unwrap_or(0),
        agent_ready_ns: agent.ready_ns(),
        systemd,
        memory: procfs::memory(&read("/proc/meminfo")),
        agent_rss_bytes: procfs::figure(&read("/proc/self/status"), "VmRSS"),
        cmdline: read("/proc/cmdline").trim_end().to_owned(),
        mounts,
    }
}

/// A small text file; empty when it is not there.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // Names of processes and links may be any bytes: one of them must not hide
        // the rest of the file.
        let _ = file.take(1 << 20).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn systemd(reaper: &Reaper) -> Systemd {
    let mut state = Systemd { running: true, ..Systemd::default() };
    let mut problem = None;
    let mut ask = async |arguments: &[&str]| match systemctl(reaper, arguments).await {
        Ok(finished) => finished,
        Err(error) => {
            problem.get_or_insert(error.to_string());
            String::new()
        }
    };
    let version = ask(&["--version"]).await;
    state.version = version.lines().next().unwrap_or("").to_owned();
    ask(&["is-system-running"]).await.trim().clone_into(&mut state.state);
    let failed = ask(&["list-units", "--state=failed", "--plain", "--no-legend"]).await;
    state.failed_units = failed_units(&failed);
    state.error = problem.unwrap_or_default();
    state
}

/// First column of the list; nothing else is stable.
fn failed_units(list: &str) -> Vec<String> {
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

async fn systemctl(reaper: &Reaper, arguments: &[&str]) -> io::Result<String> {
    let mut command = Command::new(SYSTEMCTL);
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_PAGER", "");
    let Finished { exit, stdout, stderr } = reaper.run(&mut command, SYSTEMCTL_DEADLINE).await?;
    // is-system-running exits with 1 for every state but "running", and says which.
    if exit.code != 0 && stdout.trim().is_empty() {
        return Err(io::Error::other(format!("systemctl: {}", stderr.trim())));
    }
    Ok(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names_from_the_list() {
        let list = "chrony.service loaded failed failed NTP client\nx.mount not-found failed\n\n";
        assert_eq!(failed_units(list), ["chrony.service", "x.mount"]);
        assert!(failed_units("").is_empty());
    }
}
