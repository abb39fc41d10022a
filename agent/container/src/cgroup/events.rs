//! Tells when the kernel killed processes of a container for want of memory. One
//! descriptor per container that a loop can wait for; no thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Cgroup, read_file};
use crate::error::{During, Error};

/// What has happened since it was asked for last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OomNews {
    /// How many more processes were killed for want of memory, in the container's own
    /// cgroups too.
    pub kills: u64,
    /// No process is left, so that nothing more will happen. It stays so.
    pub ended: bool,
}

/// Watches a container for processes that are killed for want of memory.
///
/// Its descriptor is readable when there may be news; then [`drain`](Self::drain) tells
/// them. Ask for the watch before [`Container::start`](crate::Container::start), and
/// drain it a last time before [`Container::delete`](crate::Container::delete): what
/// happened is forgotten with the cgroup.
#[derive(Debug)]
pub struct OomWatch {
    inotify: Inotify,
    folder: PathBuf,
    /// The count that was told of last.
    told: u64,
    ended: bool,
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl OomWatch {
    fn new(folder: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(&folder.join("cgroup.events"), AddWatchFlags::IN_MODIFY)?;
        match inotify.add_watch(&folder.join("memory.events"), AddWatchFlags::IN_MODIFY) {
            // Memory is not counted here, so the end is all that can be told.
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut watch = Self { inotify, folder: folder.to_owned(), told: 0, ended: false };
        watch.told = watch.count()?.unwrap_or(0);
        Ok(watch)
    }

    /// What is new; never waits. Must be called until the descriptor is not readable:
    /// one call is enough for that.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to tell; a cgroup that has gone is an end, no error.
    pub fn drain(&mut self) -> io::Result<OomNews> {
        // What the events say is in the files; those that come from now on make the
        // descriptor readable again.
        loop {
            match self.inotify.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        // In this order: a kill is counted before its process has left, so after the end
        // the count is the last one. The kernel may tell of the end alone.
        let ended = self.ended || !self.is_populated()?;
        let kills = match self.count()? {
            Some(count) => {
                let kills = count.saturating_sub(self.told);
                self.told = count.max(self.told);
                kills
            }
            None => 0,
        };
        self.ended = ended;
        Ok(OomNews { kills, ended })
    }

    fn is_populated(&self) -> io::Result<bool> {
        Ok(self.value("cgroup.events", "populated")?.is_some_and(|value| value != 0))
    }

    fn count(&self) -> io::Result<Option<u64>> {
        self.value("memory.events", "oom_kill")
    }

    /// A number of a file; `None` when there is no file, or no more.
    fn value(&self, file: &str, key: &str) -> io::Result<Option<u64>> {
        let text = match read_file(&self.folder.join(file)) {
            Err(error) if is_gone(&error) => return Ok(None),
            read => read?,
        };
        let line = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
        Ok(text.lines().find_map(line))
    }
}

fn is_gone(error: &io::Error) -> bool {
    // A file that was opened just before its cgroup went has no device behind it.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

impl Cgroup {
    /// Watches for processes that are killed for want of memory, from now on.
    pub(crate) fn oom_watch(&self) -> Result<OomWatch, Error> {
        OomWatch::new(self.folder())
            .during(|| format!("can't watch the events of {}", self.folder().display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            let fake = Self(tempfile::tempdir().expect("a folder"));
            fake.say("cgroup.events", "populated 1\nfrozen 0\n");
            fake.kills(0);
            fake
        }

        fn say(&self, file: &str, text: &str) {
            fs::write(self.0.path().join(file), text).expect("it is written");
        }

        fn kills(&self, count: u64) {
            let text = format!("low 0\nhigh 0\nmax 9\noom 9\noom_kill {count}\noom_group_kill 7\n");
            self.say("memory.events", &text);
        }

        fn watch(&self) -> OomWatch {
            OomWatch::new(self.0.path()).expect("it can be watched")
        }
    }

    fn is_readable(watch: &OomWatch) -> bool {
        let mut polled = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).expect("it can be polled") == 1
    }

    fn drained(watch: &mut OomWatch) -> (u64, bool) {
        let news = watch.drain().expect("it tells");
        assert!(!is_readable(watch), "one call takes all news");
        (news.kills, news.ended)
    }

    #[test]
    fn each_increase_is_told_once() {
        let fake = Fake::new();
        fake.kills(2);
        let mut watch = fake.watch();
        assert!(!is_readable(&watch));
        assert_eq!(drained(&mut watch), (0, false), "what was before is no news");
        fake.kills(3);
        assert!(is_readable(&watch));
        assert_eq!(drained(&mut watch), (1, false));
        assert_eq!(drained(&mut watch), (0, false));
        fake.kills(5);
        fake.kills(9);
        assert_eq!(drained(&mut watch), (6, false));
        // Freezing is a change too, but no news.
        fake.say("cgroup.events", "populated 1\nfrozen 1\n");
        assert!(is_readable(&watch));
        assert_eq!(drained(&mut watch), (0, false));
    }

    #[test]
    fn the_last_kill_is_told_with_the_end() {
        let fake = Fake::new();
        let mut watch = fake.watch();
        fake.kills(1);
        assert_eq!(drained(&mut watch), (1, false));
        // The kernel spares a notice that comes too soon after another: as if it had
        // changed the file without telling.
        // Its second name keeps the watched file alive.
        let [watched, kept, other] =
            ["memory.events", "kept", "other"].map(|name| fake.0.path().join(name));
        fs::hard_link(&watched, kept).expect("it has two names");
        fs::write(&other, "oom_kill 2\n").expect("it is written");
        fs::rename(other, watched).expect("it is replaced");
        assert!(!is_readable(&watch), "it was not told");
        fake.say("cgroup.events", "populated 0\nfrozen 0\n");
        assert!(is_readable(&watch));
        assert_eq!(drained(&mut watch), (1, true));
        assert_eq!(drained(&mut watch), (0, true));
    }

    #[test]
    fn a_cgroup_that_has_gone_has_ended() {
        let fake = Fake::new();
        let mut watch = fake.watch();
        fs::remove_dir_all(fake.0.path()).expect("it is removed");
        assert_eq!(drained(&mut watch), (0, true));
        assert!(OomWatch::new(fake.0.path()).is_err());
    }

    #[test]
    fn without_a_count_of_memory_the_end_is_told() {
        let fake = Fake::new();
        fs::remove_file(fake.0.path().join("memory.events")).expect("it is removed");
        let mut watch = fake.watch();
        assert_eq!(drained(&mut watch), (0, false));
        fake.say("cgroup.events", "populated 0\n");
        assert!(is_readable(&watch));
        assert_eq!(drained(&mut watch), (0, true));
    }
}
