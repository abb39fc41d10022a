//! Namespaces that stay without a process in them: each is made by a thread that
//! ends at once, and kept by a mount of its file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Kinds of namespaces that a sandbox keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// System V and POSIX message queues, and shared memory.
    Ipc,
    /// The host name.
    Uts,
}

impl Namespace {
    /// Name of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipc => "ipc",
            Self::Uts => "uts",
        }
    }

    fn flag(self) -> CloneFlags {
        match self {
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
        }
    }
}

/// A thread's namespaces are its own, and go with it but for what holds them.
pub(super) fn keep(kind: Namespace, place: &Path, hostname: &str) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(place)?;
    let work = || -> io::Result<()> {
        unshare(kind.flag())?;
        if kind == Namespace::Uts && !hostname.is_empty() {
            nix::unistd::sethostname(hostname)?;
        }
        let own = format!("/proc/thread-self/ns/{}", kind.name());
        Ok(mount(Some(own.as_str()), place, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}
