//! Who collects ended processes. As process 1 the agent collects every child with
//! one loop, so this crate never waits for a child itself: it asks the owner of the
//! loop to start the child and to tell how it ended.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Told the exit code once, when the child has been collected. It takes a lock and
/// calls what was given to [`Exit::on_end`]; nothing in it blocks.
pub type Ended = Box<dyn FnOnce(i32) + Send>;

/// The one place where the caller's children are started and collected.
pub trait Children: Send + Sync {
    /// Calls `start`, which makes one child of this process and returns its number,
    /// and has `ended` called with the exit code (128 plus the signal for a killed
    /// one) when that child has been collected.
    ///
    /// No child may be collected while `start` runs: the number must be known before
    /// its end can be seen.
    ///
    /// # Errors
    ///
    /// Only those of `start`; then there is no child and `ended` is never called.
    fn spawn(&self, start: &mut dyn FnMut() -> io::Result<i32>, ended: Ended) -> io::Result<i32>;
}

#[derive(Default)]
struct Seen {
    code: Option<i32>,
    listeners: Vec<Ended>,
}

/// How a process ended, as soon as it is known.
#[derive(Clone, Default)]
pub struct Exit {
    shared: Arc<(Mutex<Seen>, Condvar)>,
}

impl fmt::Debug for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Exit").field(&self.code()).finish()
    }
}

impl Exit {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tells this one.
    pub(crate) fn teller(&self) -> Ended {
        let this = self.clone();
        Box::new(move |code| {
            let mut seen = this.lock();
            seen.code = Some(code);
            let listeners = std::mem::take(&mut seen.listeners);
            drop(seen);
            this.shared.1.notify_all();
            for listener in listeners {
                listener(code);
            }
        })
    }

    /// The exit code: 128 plus the signal when a signal ended the process. `None`
    /// while it runs.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.lock().code
    }

    /// Calls `listener` with the exit code when the process has ended, at once if it
    /// has. The call comes from where children are collected, so it must not block.
    pub fn on_end(&self, listener: Ended) {
        let mut seen = self.lock();
        match seen.code {
            Some(code) => {
                drop(seen);
                listener(code);
            }
            None => seen.listeners.push(listener),
        }
    }

    /// Waits for the end, but no longer than `patience`.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<i32> {
        let until = Instant::now() + patience;
        let mut seen = self.lock();
        while seen.code.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            seen = self.shared.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        seen.code
    }
}

/// Collects each child with a thread of its own, for programs that are not process
/// 1 and have no other collector.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnChildren;

impl Children for OwnChildren {
    fn spawn(&self, start: &mut dyn FnMut() -> io::Result<i32>, ended: Ended) -> io::Result<i32> {
        let pid = start()?;
        std::thread::spawn(move || {
            loop {
                match waitpid(Pid::from_raw(pid), None) {
                    Ok(WaitStatus::Exited(_, code)) => return ended(code),
                    Ok(WaitStatus::Signaled(_, signal, _)) => return ended(128 + signal as i32),
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => {
                        log::warn!("can't wait for the process {pid}: {errno}");
                        return ended(255);
                    }
                }
            }
        });
        Ok(pid)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;

    use super::*;

    fn run(script: &str) -> Exit {
        let exit = Exit::default();
        let mut start = || {
            let child = Command::new("/bin/sh").args(["-c", script]).spawn()?;
            i32::try_from(child.id()).map_err(io::Error::other)
        };
        OwnChildren.spawn(&mut start, exit.teller()).expect("it starts");
        exit
    }

    #[test]
    fn codes_and_signals_are_told() {
        assert_eq!(run("exit 7").wait(Duration::from_secs(20)), Some(7));
        assert_eq!(run("kill -9 $$").wait(Duration::from_secs(20)), Some(137));
    }

    #[test]
    fn listeners_hear_it_before_and_after_the_end() {
        let (sender, receiver) = mpsc::channel();
        let exit = run("exit 3");
        for _ in 0..2 {
            let sender = sender.clone();
            exit.on_end(Box::new(move |code| sender.send(code).expect("the test listens")));
            assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(3));
        }
    }

    #[test]
    fn patience_ends() {
        let exit = Exit::default();
        assert_eq!(exit.wait(Duration::ZERO), None);
    }

    #[test]
    fn a_failed_start_is_no_child() {
        let mut start = || Err(io::Error::from(io::ErrorKind::NotFound));
        let told = Exit::default();
        assert!(OwnChildren.spawn(&mut start, told.teller()).is_err());
        assert_eq!(told.code(), None);
    }
}
