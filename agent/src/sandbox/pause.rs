//! A process that does nothing: it keeps the pid namespace that all containers of a
//! sandbox share, and collects their orphans.

use std::fs::File;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::reaper::Reaper;

/// The argument by which this program knows that it is to do nothing.
const ARGUMENT: &str = "pause";

/// The process. It is killed, and its namespace with it, when this goes.
#[derive(Debug)]
pub struct Pause {
    pid: u32,
    reaper: Arc<Reaper>,
}

impl Pause {
    /// Starts the process as the first one of a new pid namespace.
    ///
    /// # Errors
    ///
    /// As unshare(2), fork(2) and execve(2).
    pub fn start(reaper: &Arc<Reaper>) -> io::Result<(Self, File)> {
        let owner = Arc::clone(reaper);
        // A thread of its own: whatever it starts from now on is in the new namespace.
        let started = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWPID)?;
            let mut command = Command::new("/proc/self/exe");
            command.arg(ARGUMENT).env_clear().current_dir("/");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let (child, _) = owner.spawn(&mut command)?;
            let pause = Self { pid: child.id(), reaper: owner };
            let namespace = File::open(format!("/proc/{}/ns/pid", pause.pid))?;
            Ok((pause, namespace))
        });
        started.join().unwrap_or_else(|_| Err(io::Error::other("the thread has failed")))
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        drop(self.reaper.group(self.pid));
    }
}

/// To be called first thing in `main`: does nothing for ever, when this process was
/// started for that. Only the first process of a pid namespace is.
#[must_use]
pub fn pause_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let asked = arguments.len() == 2 && arguments.nth(1).is_some_and(|first| first == ARGUMENT);
    // The machine's own first process has its console open, and this one nothing.
    let is_null = |status: nix::sys::stat::FileStat| status.st_rdev == libc::makedev(1, 3);
    let quiet = nix::sys::stat::fstat(io::stdin()).is_ok_and(is_null);
    if !asked || !quiet || std::process::id() != 1 {
        return None;
    }
    // The kernel collects the children of who ignores their end.
    // SAFETY: no handler is set.
    if unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.is_err() {
        return Some(ExitCode::FAILURE);
    }
    loop {
        nix::unistd::pause();
    }
}
