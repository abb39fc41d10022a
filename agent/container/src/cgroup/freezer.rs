//! Stops and continues all processes of a cgroup.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Cgroup, read, write};
use crate::error::{During, Error};

/// How long the kernel may take until the last process stands still.
const FREEZING: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Stops all processes and waits until they have stopped.
    pub(crate) fn freeze(&self) -> Result<(), Error> {
        self.order("1", "frozen 1")
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) -> Result<(), Error> {
        self.order("0", "frozen 0")
    }

    /// Whether it was told to stop.
    pub(crate) fn is_frozen(&self) -> Result<bool, Error> {
        Ok(read(self.folder(), "cgroup.freeze")?.trim() == "1")
    }

    fn order(&self, value: &str, event: &str) -> Result<(), Error> {
        write(&self.folder().join("cgroup.freeze"), value)
            .during(|| format!("can't freeze or thaw {}", self.folder().display()))?;
        self.await_event(event, Instant::now() + FREEZING)
    }

    /// Waits until the cgroup's events have a line.
    pub(super) fn await_event(&self, line: &str, until: Instant) -> Result<(), Error> {
        let path = self.folder().join("cgroup.events");
        let file = File::open(&path).during(|| format!("can't open {}", path.display()))?;
        loop {
            if read(self.folder(), "cgroup.events")?.lines().any(|one| one == line) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::TimedOut(FREEZING, format!("{} has no {line}", path.display())));
            }
            // The file tells of changes; looked at again now and then, as a change could
            // come between the look and the wait.
            let wait = i32::try_from(left.as_millis().min(50)).unwrap_or(50).max(1);
            let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
            let _ = poll(&mut polled, PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO));
        }
    }
}
