//! Collects ended child processes. As process 1 the agent inherits every orphan and
//! must collect them all, yet a child that some part of the agent waits for must
//! report its status there. So there is one collector, and whoever starts a child
//! starts it here and gets told.

mod input;
mod output;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guest_container::{Children, Ended};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use self::input::Input;
use self::output::Output;

pub use self::output::LARGEST as LARGEST_OUTPUT;

/// Which processes are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All children, orphans too: for process 1.
    Everything,
    /// Only children that were started here: for a service, and for tests that
    /// share a process with others.
    OwnChildren,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit status, or 128 plus the signal that ended it.
    pub code: i32,
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// The collector.
pub struct Reaper {
    scope: Scope,
    /// Who is told of which child's end. Also held while a child starts, so that a child
    /// is known before it can be collected.
    waiting: Mutex<BTreeMap<i32, Ended>>,
}

impl std::fmt::Debug for Reaper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reaper").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Reaper {
    /// A collector that does nothing yet.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, waiting: Mutex::new(BTreeMap::new()) }
    }

    /// Collects in the background from now on. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// When SIGCHLD can't be received.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        let this = Arc::clone(self);
        tokio::spawn(async move {
            // Orphans may have ended before the signal was listened to.
            this.collect();
            while ended.recv().await.is_some() {
                this.collect();
            }
        });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Ended>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects all that have ended.
    pub fn collect(&self) {
        let mut ends = Vec::new();
        let mut waiting = self.lock();
        match self.scope {
            Scope::Everything => while collect_one(&mut waiting, None, &mut ends) {},
            Scope::OwnChildren => {
                let known: Vec<i32> = waiting.keys().copied().collect();
                for pid in known {
                    collect_one(&mut waiting, Some(Pid::from_raw(pid)), &mut ends);
                }
            }
        }
        // Whoever is told may want to start the next one.
        drop(waiting);
        for (ended, code) in ends {
            ended(code);
        }
    }

    /// Starts a child. The receiver gets its end; the child must not be waited for
    /// in any other way.
    ///
    /// # Errors
    ///
    /// When the program can't be started.
    pub fn spawn(&self, command: &mut Command) -> io::Result<(Child, oneshot::Receiver<Exit>)> {
        let (sender, receiver) = oneshot::channel();
        // The one who waits may give up; the process is collected anyway.
        let ended = Box::new(move |code| {
            let _ = sender.send(Exit { code });
        });
        let mut started = None;
        let mut start = || {
            let child = command.spawn()?;
            let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
            started = Some(child);
            Ok(pid)
        };
        Children::spawn(self, &mut start, ended)?;
        let child = started.ok_or_else(|| io::Error::other("nothing was started"))?;
        Ok((child, receiver))
    }

    /// Has the process group of a child that leads one killed when the result goes
    /// and the child is still there.
    pub fn group(&self, leader: u32) -> Group<'_> {
        Group { reaper: self, leader }
    }

    /// Runs a command to its end. When that takes longer than `deadline`, or when
    /// the caller gives up, it is killed with everything that it has started and
    /// that has not left its process group. What it leaves running after its own
    /// end is neither killed nor waited for, even if it holds the outputs open.
    ///
    /// # Errors
    ///
    /// When the program can't be started, or `TimedOut`.
    pub async fn run(&self, command: &mut Command, deadline: Duration) -> io::Result<Finished> {
        command.stdin(Stdio::null());
        self.finish(command, &[], deadline).await
    }

    /// As [`Reaper::run`], for a command that reads `input`. It need not read all.
    ///
    /// # Errors
    ///
    /// As [`Reaper::run`].
    pub async fn feed(
        &self,
        command: &mut Command,
        input: &[u8],
        deadline: Duration,
    ) -> io::Result<Finished> {
        command.stdin(Stdio::piped());
        self.finish(command, input, deadline).await
    }

    async fn finish(
        &self,
        command: &mut Command,
        input: &[u8],
        deadline: Duration,
    ) -> io::Result<Finished> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let (mut child, mut ended) = self.spawn(command)?;
        let _group = self.group(child.id());
        let mut stdin = Input::of(child.stdin.take(), input)?;
        let mut stdout = Output::of(child.stdout.take())?;
        let mut stderr = Output::of(child.stderr.take())?;
        let end = async {
            loop {
                tokio::select! {
                    exit = &mut ended => break exit,
                    () = stdin.write(), if stdin.is_open() => {}
                    () = stdout.read(), if stdout.is_open() => {}
                    () = stderr.read(), if stderr.is_open() => {}
                }
            }
        };
        let exit = tokio::time::timeout(deadline, end)
            .await?
            .map_err(|_| io::Error::other("the collector of processes has gone"))?;
        Ok(Finished { exit, stdout: stdout.finish(), stderr: stderr.finish() })
    }
}

impl Children for Reaper {
    fn spawn(&self, start: &mut dyn FnMut() -> io::Result<i32>, ended: Ended) -> io::Result<i32> {
        let mut waiting = self.lock();
        let pid = start()?;
        waiting.insert(pid, ended);
        Ok(pid)
    }
}

/// Collects one child, puts who is to be told of its end into `ends`, and returns
/// whether there may be more.
fn collect_one(
    waiting: &mut BTreeMap<i32, Ended>,
    which: Option<Pid>,
    ends: &mut Vec<(Ended, i32)>,
) -> bool {
    let (pid, code) = match waitpid(which, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(pid, code)) => (pid, code),
        Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return false,
        Err(Errno::EINTR) => return true,
        Err(errno) => {
            log::warn!("can't wait for ended processes: {errno}");
            return false;
        }
        // Stopped or continued children are not asked for.
        Ok(_) => return true,
    };
    match waiting.remove(&pid.as_raw()) {
        Some(ended) => ends.push((ended, code)),
        None => log::debug!("collected the orphan {pid}"),
    }
    true
}

/// Kills a process group when it goes, unless the leader has ended before.
#[derive(Debug)]
#[must_use = "the group is killed when this goes"]
pub struct Group<'a> {
    reaper: &'a Reaper,
    leader: u32,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let Ok(leader) = i32::try_from(self.leader) else { return };
        let waiting = self.reaper.lock();
        // Still in the table means not collected, so the number is its own.
        if waiting.contains_key(&leader) {
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests;
