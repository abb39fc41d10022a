//! What one command costs: wall-clock time, processor time and memory. It knows
//! processes, not what they do.

use anyhow::{Context, bail};
use std::fs::File;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The cost of a command with all the processes that it waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) wall: Duration,
    /// User and system time of all of them.
    pub(super) cpu: Duration,
    /// Peak resident memory of the largest of them, in bytes.
    pub(super) peak: u64,
}

/// Runs a command to its end; its standard output goes nowhere.
///
/// # Errors
/// Where it can't be started or fails, with the end of what it said.
pub(super) fn run(command: &mut Command) -> anyhow::Result<Cost> {
    let name = command.get_program().to_string_lossy().into_owned();
    let log = tempfile::NamedTempFile::new().context("no temporary file")?;
    let clock = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().append(true).open(log.path())?)
        .spawn()
        .with_context(|| format!("{name} can't be started"))?;
    let pid = libc::pid_t::try_from(child.id()).context("a process number too large")?;
    let (status, usage) = wait(pid).with_context(|| format!("{name} can't be waited for"))?;
    let wall = clock.elapsed();
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        let said = std::fs::read_to_string(log.path()).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        bail!("{name} failed: {}", lines[lines.len().saturating_sub(4)..].join(" / "));
    }
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    // Linux counts in KiB.
    Ok(Cost { wall, cpu, peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10 })
}

/// The median by wall-clock time.
pub(super) fn median(mut costs: Vec<Cost>) -> Option<Cost> {
    costs.sort_by_key(|cost| cost.wall);
    costs.get(costs.len() / 2).copied()
}

fn time(value: libc::timeval) -> Duration {
    let seconds = u64::try_from(value.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0))
}

/// Waits for a child of ours; the standard library's own waiting tells no usage.
fn wait(pid: libc::pid_t) -> io::Result<(libc::c_int, libc::rusage)> {
    let mut status = 0;
    loop {
        // SAFETY: an all-zero rusage is a valid one, being integers only.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to locals that outlive the call, and `pid` is a
        // child that nothing else of this process waits for.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            return Ok((status, usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
