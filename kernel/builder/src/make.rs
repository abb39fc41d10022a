//! Starts the kernel's own make, in an environment that holds nothing of this
//! machine but its search path. It does not know what the targets are for.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use duct::cmd;
use nix::sys::{prctl, signal::Signal};

use crate::error::KernelError;
use crate::key::Plan;
use crate::tools::environment;

/// How many of a failed command's last lines are shown.
const LAST: usize = 20;

/// One tree and its folder of objects.
pub(crate) struct Make<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) tree: &'a Path,
    pub(crate) objects: &'a Path,
    pub(crate) log: &'a Path,
}

impl Make<'_> {
    /// Runs one target; `what` names it in errors.
    pub(crate) fn run(
        &self,
        what: &str,
        target: &str,
        jobs: usize,
        more: &[(&str, &Path)],
    ) -> Result<(), KernelError> {
        let mut environment = environment(&self.plan.path);
        // Who, where and when: each would be in the kernel's banner.
        let date = banner_date(self.plan.spec.source_date_epoch);
        let fixed = [
            ("KBUILD_BUILD_TIMESTAMP", date.as_str()),
            ("KBUILD_BUILD_USER", "kata"),
            ("KBUILD_BUILD_HOST", "kata"),
            ("KBUILD_BUILD_VERSION", "1"),
            ("TZ", "UTC"),
        ];
        environment.extend(fixed.map(|(name, value)| (name.into(), value.into())));
        environment.extend(more.iter().map(|(name, path)| (name.into(), path.into())));
        let mut arguments: Vec<OsString> = [
            "--silent",
            "--no-print-directory",
            "ARCH=x86_64",
            // Their versions would be in the configuration, though no byte of a
            // guest's kernel comes from them.
            "RUSTC=rustc-is-not-used",
            "PAHOLE=pahole-is-not-used",
        ]
        .map(OsString::from)
        .to_vec();
        arguments.push(format!("-j{}", jobs.max(1)).into());
        arguments.extend(["-C".into(), self.tree.into()]);
        let mut objects = OsString::from("O=");
        objects.push(self.objects);
        arguments.extend([objects, target.into()]);
        let output = cmd("make", arguments)
            .full_env(environment)
            .stdin_null()
            .stderr_to_stdout()
            .stdout_path(self.log)
            .unchecked()
            .before_spawn(die_with_parent)
            .run()
            .map_err(|e| KernelError::io(Path::new("make"), e))?;
        if output.status.success() { Ok(()) } else { Err(failed(what, self.log)) }
    }
}

/// A make that outlives an interrupted builder would write into the folder of
/// the next one.
fn die_with_parent(command: &mut Command) -> std::io::Result<()> {
    // SAFETY: between fork and exec only prctl is called, which is
    // async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGTERM).map_err(std::io::Error::from));
    }
    Ok(())
}

/// The error of a failed command, with the last lines of its log.
pub(crate) fn failed(what: &str, log: &Path) -> KernelError {
    let last = tail(log).unwrap_or_default();
    KernelError::Command { what: what.to_owned(), log: log.to_path_buf(), last }
}

fn tail(log: &Path) -> std::io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(16 << 10);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().rev().take(LAST).map(str::to_owned).collect();
    lines.reverse();
    Ok(lines)
}

/// A path without `.`, `..` and links, as make needs it from another folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, KernelError> {
    path.canonicalize().map_err(|e| KernelError::io(path, e))
}

/// The time in the form of `date`, in UTC: `Thu Jan  1 00:00:00 UTC 1970`.
fn banner_date(epoch: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Years 1970 to 9999: what the kernel's banner has room for.
    let epoch = epoch.clamp(0, 253_402_300_799);
    let (days, seconds) = (epoch / 86_400, epoch % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut name = "Dec";
    for (month, length) in MONTHS.iter().zip(lengths) {
        if day < length {
            name = month;
            break;
        }
        day -= length;
    }
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday} {name} {:>2} {hour:02}:{minute:02}:{second:02} UTC {year}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_date_does() {
        assert_eq!(banner_date(0), "Thu Jan  1 00:00:00 UTC 1970");
        assert_eq!(banner_date(951_782_400), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(banner_date(1_767_225_599), "Wed Dec 31 23:59:59 UTC 2025");
        assert_eq!(banner_date(1_767_225_600), "Thu Jan  1 00:00:00 UTC 2026");
        assert_eq!(banner_date(-5), banner_date(0));
    }

    #[test]
    fn a_failure_shows_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let text = failed("compiling", &log).to_string();
        assert!(text.starts_with("compiling failed; everything it said is in "), "{text}");
        assert!(text.contains("\n  line 10\n") && text.ends_with("\n  line 29"), "{text}");
        assert!(!text.contains("line 9\n"), "{text}");
    }
}
