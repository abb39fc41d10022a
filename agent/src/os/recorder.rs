//! An operating system that does nothing but write down what was asked of it.
//! For tests; it is part of the library so that integration tests can use it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Mount, Namespace, Os, VolumeGroup};
use crate::extension::VerityTable;

/// Records requests in order, one line each; can be told what to answer.
#[derive(Debug, Default)]
pub struct Recorder {
    lines: Mutex<Vec<String>>,
    files: BTreeMap<PathBuf, String>,
    failures: Vec<(String, i32)>,
    stuck: Option<String>,
    machine: bool,
}

impl Recorder {
    /// One that owns the machine, as process 1 of a guest does.
    #[must_use]
    pub fn new() -> Self {
        Self { machine: true, ..Self::default() }
    }

    /// Lets `read` find a file.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.into(), content.to_owned());
        self
    }

    /// Lets every request whose line starts with `prefix` fail with `errno`.
    #[must_use]
    pub fn failing(mut self, prefix: &str, errno: i32) -> Self {
        self.failures.push((prefix.to_owned(), errno));
        self
    }

    /// Lets every request whose line starts with `prefix` never return.
    #[must_use]
    pub fn stuck_at(mut self, prefix: &str) -> Self {
        self.stuck = Some(prefix.to_owned());
        self
    }

    /// Pretends to be in a namespace of a machine that belongs to others.
    #[must_use]
    pub fn in_namespace(mut self) -> Self {
        self.machine = false;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All requests so far, a line each.
    #[must_use]
    pub fn log(&self) -> String {
        self.lock().iter().map(|line| format!("{line}\n")).collect()
    }

    fn note(&self, line: String) -> io::Result<()> {
        let failure = self.failures.iter().find(|(prefix, _)| line.starts_with(prefix));
        let answer = failure.map_or(Ok(()), |(_, errno)| Err(io::Error::from_raw_os_error(*errno)));
        let stuck = self.stuck.as_ref().is_some_and(|prefix| line.starts_with(prefix));
        self.lock().push(line);
        if stuck {
            loop {
                std::thread::park();
            }
        }
        answer
    }
}

impl Os for Recorder {
    fn mount(&self, m: &Mount<'_>) -> io::Result<()> {
        let fstype = if m.fstype.is_empty() { "-" } else { m.fstype };
        self.note(format!("mount {} {} {fstype} {}", m.source, m.target.display(), m.options))
    }

    fn unmount(&self, target: &Path, lazily: bool) -> io::Result<()> {
        self.note(format!("unmount {}{}", target.display(), if lazily { " lazily" } else { "" }))
    }

    fn make_verity(&self, name: &str, table: &VerityTable) -> io::Result<PathBuf> {
        self.note(format!("verity {name} {} {}", table.sectors, table.arguments))?;
        Ok(PathBuf::from("/dev/dm-0"))
    }

    fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.note(format!("mkdir {} {mode:o}", path.display()))
    }

    fn make_file(&self, path: &Path) -> io::Result<()> {
        self.note(format!("touch {}", path.display()))
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(!self.files.contains_key(path))
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        self.note(format!("remove {}", path.display()))
    }

    fn remove_if_empty(&self, path: &Path) -> io::Result<()> {
        self.note(format!("rmdir {}", path.display()))
    }

    fn give_volume(&self, volume: &VolumeGroup) -> io::Result<()> {
        let how = if volume.read_only { " ro" } else { "" };
        let when = if volume.only_on_mismatch { " on mismatch" } else { "" };
        self.note(format!("give {} to {}{how}{when}", volume.path.display(), volume.group))
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.note(format!("chmod {} {mode:o}", path.display()))
    }

    fn set_group(&self, path: &Path, group: u32) -> io::Result<()> {
        self.note(format!("chgrp {} {group}", path.display()))
    }

    fn link(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.note(format!("link {} -> {}", link.display(), target.display()))
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.note(format!("write {} {:?}", path.display(), String::from_utf8_lossy(content)))
    }

    fn take_terminal(&self, terminal: &Path) -> io::Result<()> {
        self.note(format!("terminal {}", terminal.display()))
    }

    fn set_hostname(&self, name: &str) -> io::Result<()> {
        self.note(format!("hostname {name}"))
    }

    fn make_namespace(&self, kind: Namespace, place: &Path, hostname: &str) -> io::Result<()> {
        self.note(format!("namespace {} {} {hostname:?}", kind.name(), place.display()))
    }

    fn bring_up_link(&self, name: &str) -> io::Result<()> {
        self.note(format!("up {name}"))
    }

    fn set_env(&self, name: &str, value: &str) {
        let _ = self.note(format!("env {name}={value}"));
    }

    fn set_clock(&self, seconds: i64, microseconds: i64) -> io::Result<()> {
        self.note(format!("clock {seconds} {microseconds}"))
    }

    fn reseed_random(&self, data: &[u8]) -> io::Result<()> {
        self.note(format!("reseed {data:?}"))
    }

    fn swap_on(&self, path: &Path) -> io::Result<()> {
        self.note(format!("swap {}", path.display()))
    }

    fn grow_ext4(&self, path: &Path, blocks: u64) -> io::Result<()> {
        self.note(format!("grow {} {blocks}", path.display()))
    }

    fn owns_machine(&self) -> bool {
        self.machine
    }

    fn kill_all(&self) {
        let _ = self.note("kill all".to_owned());
    }

    fn sync(&self) {
        let _ = self.note("sync".to_owned());
    }

    fn power_off(&self) -> io::Result<()> {
        self.note("power off".to_owned())
    }
}
