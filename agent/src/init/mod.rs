//! What process 1 does before anything else, and how it leaves the machine.
//! Works through [`Os`] only; knows neither configuration nor RPCs.

mod leave;

use std::io;
use std::path::{Path, PathBuf};

use crate::os::{Mount, Os};

pub use leave::leave;

/// Why process 1 can't go on.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A filesystem that nothing works without could not be mounted.
    #[error("can't mount {fstype} on {}; is the filesystem built into the kernel?", .target.display())]
    Mount {
        /// Filesystem type.
        fstype: &'static str,
        /// Where it was to go.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

struct Early {
    fstype: &'static str,
    source: &'static str,
    target: &'static str,
    options: &'static str,
    /// Without it the agent can't work at all.
    vital: bool,
}

/// In this order: later ones need folders in earlier ones.
const MOUNTS: [Early; 9] = [
    early("proc", "proc", "/proc", "nosuid,nodev,noexec", true),
    early("sysfs", "sysfs", "/sys", "nosuid,nodev,noexec", false),
    // The kernel may have mounted it already (CONFIG_DEVTMPFS_MOUNT).
    early("devtmpfs", "dev", "/dev", "nosuid,noexec,mode=0755", false),
    early("devpts", "devpts", "/dev/pts", "nosuid,noexec,gid=5,mode=0620,ptmxmode=0666", false),
    early("tmpfs", "shm", "/dev/shm", "nosuid,nodev,noexec,mode=1777", false),
    early("mqueue", "mqueue", "/dev/mqueue", "nosuid,nodev,noexec", false),
    early("tmpfs", "run", "/run", "nosuid,nodev,mode=0755", true),
    early("tmpfs", "tmp", "/tmp", "nosuid,nodev,mode=1777", false),
    early("cgroup2", "cgroup2", "/sys/fs/cgroup", "nosuid,nodev,noexec,relatime,nsdelegate", false),
];

const fn early(
    fstype: &'static str,
    source: &'static str,
    target: &'static str,
    options: &'static str,
    vital: bool,
) -> Early {
    Early { fstype, source, target, options, vital }
}

const LINKS: [(&str, &str); 5] = [
    ("/dev/pts/ptmx", "/dev/ptmx"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Turns a bare kernel into a place where the agent can work. Adds to `problems`
/// what did not succeed but can be lived with, a sentence each.
///
/// # Errors
///
/// [`InitError`] when going on makes no sense. Everything else has been tried all
/// the same: without devices and a console nobody would read the error.
pub fn set_up(os: &dyn Os, problems: &mut Vec<String>) -> Result<(), InitError> {
    let mut fatal = None;
    let mut mounted = Vec::new();
    for early in &MOUNTS {
        let target = Path::new(early.target);
        if mounted.is_empty() && early.fstype != "proc" {
            mounted = mount_points(os);
        }
        if mounted.iter().any(|point| point == early.target) {
            continue;
        }
        if let Err(error) = mount(os, early) {
            // EBUSY: already there, which only /proc can't be asked about before.
            if error.raw_os_error() == Some(nix::libc::EBUSY) {
                continue;
            }
            if early.vital && fatal.is_none() {
                fatal = Some(InitError::Mount {
                    fstype: early.fstype,
                    target: target.to_owned(),
                    source: error,
                });
                continue;
            }
            problems.push(format!("no {} on {}: {error}", early.fstype, early.target));
        }
    }
    let mut tolerate = |what: String, outcome: io::Result<()>| {
        if let Err(error) = outcome {
            problems.push(format!("{what}: {error}"));
        }
    };
    for (target, link) in LINKS {
        tolerate(format!("no link {link}"), os.link(Path::new(target), Path::new(link)));
    }
    // In a mere namespace the console is somebody else's, and whoever started this
    // has chosen where output goes.
    if os.owns_machine() {
        tolerate("no console as terminal".to_owned(), os.take_terminal(Path::new("/dev/console")));
    }
    os.set_env("PATH", PATH);
    os.set_env("HOME", "/root");
    let name = os.read(Path::new("/etc/hostname")).unwrap_or_default();
    let name = match name.trim() {
        "" => "localhost",
        name => name,
    };
    tolerate(format!("host name not set to {name}"), os.set_hostname(name));
    tolerate("the link lo is not up".to_owned(), os.bring_up_link("lo"));
    fatal.map_or(Ok(()), Err)
}

fn mount(os: &dyn Os, early: &Early) -> io::Result<()> {
    let target = Path::new(early.target);
    // A read-only root has the folders already; the mount says what is wrong if not.
    let _ = os.make_dir(target, 0o755);
    let full = Mount { source: early.source, target, fstype: early.fstype, options: early.options };
    match os.mount(&full) {
        // Kernels before 4.13 do not know it and guests work without it.
        Err(error)
            if error.raw_os_error() == Some(nix::libc::EINVAL) && early.fstype == "cgroup2" =>
        {
            os.mount(&Mount { options: "nosuid,nodev,noexec,relatime", ..full })
        }
        other => other,
    }
}

fn mount_points(os: &dyn Os) -> Vec<String> {
    os.read(Path::new("/proc/self/mounts"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
