//! What the agent asks of the operating system, behind one narrow trait, so that
//! the code of process 1 runs in tests without being root or process 1.
//!
//! Reading files under /proc and /sys is not here: that harms nobody.

mod device_mapper;
mod linux;
mod namespace;
mod recorder;
mod volume;

use std::io;
use std::path::{Path, PathBuf};

use crate::extension::VerityTable;

pub use linux::Linux;
pub use namespace::Namespace;
pub use recorder::Recorder;

/// One mount to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Device or name.
    pub source: &'a str,
    /// Where.
    pub target: &'a Path,
    /// Filesystem type; empty for a bind mount.
    pub fstype: &'a str,
    /// Options as mount(8) writes them: those the kernel has flags for (`nosuid`,
    /// `nodev`, `noexec`, `ro`, `relatime`, `noatime`, `strictatime`, `bind`,
    /// `rbind`, `remount`), the rest goes to the filesystem.
    pub options: &'a str,
}

/// A volume that is to belong to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeGroup {
    /// Where it is.
    pub path: PathBuf,
    /// The group.
    pub group: u32,
    /// Whether the group may only read.
    pub read_only: bool,
    /// Whether nothing is done where the volume's own folder fits already.
    pub only_on_mismatch: bool,
}

/// The operating system, as far as the agent changes it.
pub trait Os: Send + Sync {
    /// Mounts a filesystem.
    ///
    /// # Errors
    ///
    /// As mount(2).
    fn mount(&self, mount: &Mount<'_>) -> io::Result<()>;

    /// Unmounts what is mounted last at `target`; with `lazily`, as soon as nobody
    /// uses it.
    ///
    /// # Errors
    ///
    /// As umount2(2).
    fn unmount(&self, target: &Path, lazily: bool) -> io::Result<()>;

    /// Makes a read-only block device that checks all it reads, and returns its node.
    ///
    /// # Errors
    ///
    /// As device-mapper's ioctls.
    fn make_verity(&self, name: &str, table: &VerityTable) -> io::Result<PathBuf>;

    /// Makes a folder, and its parents, with the given permission bits. One that is
    /// there already is left as it is.
    ///
    /// # Errors
    ///
    /// As mkdir(2).
    fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// Makes an empty file, where there is none.
    ///
    /// # Errors
    ///
    /// As open(2).
    fn make_file(&self, path: &Path) -> io::Result<()>;

    /// Whether a folder is there; what is not there is an error.
    ///
    /// # Errors
    ///
    /// As stat(2).
    fn is_dir(&self, path: &Path) -> io::Result<bool>;

    /// Removes a file, or a folder with all that is in it and on the same
    /// filesystem. What is not there is no error.
    ///
    /// # Errors
    ///
    /// As unlink(2).
    fn remove_tree(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder, unless there is something in it.
    ///
    /// # Errors
    ///
    /// As rmdir(2), but for `ENOTEMPTY` and `ENOENT`.
    fn remove_if_empty(&self, path: &Path) -> io::Result<()>;

    /// Hands all files of a volume to a group.
    ///
    /// # Errors
    ///
    /// As chown(2) and chmod(2).
    fn give_volume(&self, volume: &VolumeGroup) -> io::Result<()>;

    /// Sets permission bits.
    ///
    /// # Errors
    ///
    /// As chmod(2).
    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// Gives a folder to a group: members may write, and what they make belongs to
    /// the group too.
    ///
    /// # Errors
    ///
    /// As chown(2) and chmod(2).
    fn set_group(&self, path: &Path, group: u32) -> io::Result<()>;

    /// Makes a symbolic link. Whatever is at `link` already is left as it is.
    ///
    /// # Errors
    ///
    /// As symlink(2).
    fn link(&self, target: &Path, link: &Path) -> io::Result<()>;

    /// Reads a small file.
    ///
    /// # Errors
    ///
    /// As read(2).
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Writes a whole file.
    ///
    /// # Errors
    ///
    /// As write(2).
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Becomes session leader and takes `terminal` as controlling terminal and as
    /// standard input, output and error.
    ///
    /// # Errors
    ///
    /// As open(2), or the ioctl.
    fn take_terminal(&self, terminal: &Path) -> io::Result<()>;

    /// Sets the host name.
    ///
    /// # Errors
    ///
    /// As sethostname(2).
    fn set_hostname(&self, name: &str) -> io::Result<()>;

    /// Makes a namespace that stays, to be entered by the file at `place`; a uts
    /// namespace gets the host name, unless that is empty.
    ///
    /// # Errors
    ///
    /// As unshare(2) and mount(2).
    fn make_namespace(&self, kind: Namespace, place: &Path, hostname: &str) -> io::Result<()>;

    /// Brings a network link up.
    ///
    /// # Errors
    ///
    /// As the ioctl; `ENODEV` without that link.
    fn bring_up_link(&self, name: &str) -> io::Result<()>;

    /// Sets a variable of this process' environment. Only before threads start.
    fn set_env(&self, name: &str, value: &str);

    /// Sets the wall clock.
    ///
    /// # Errors
    ///
    /// As clock_settime(2).
    fn set_clock(&self, seconds: i64, microseconds: i64) -> io::Result<()>;

    /// Feeds the kernel's random pool, counts the bytes as fully random and has the
    /// generator take them in at once.
    ///
    /// # Errors
    ///
    /// As write(2) and the ioctls.
    fn reseed_random(&self, data: &[u8]) -> io::Result<()>;

    /// Swaps to a disk, too.
    ///
    /// # Errors
    ///
    /// As swapon(2).
    fn swap_on(&self, path: &Path) -> io::Result<()>;

    /// Grows the ext4 filesystem that is mounted at `path` to so many blocks of its own.
    ///
    /// # Errors
    ///
    /// As the ioctl.
    fn grow_ext4(&self, path: &Path, blocks: u64) -> io::Result<()>;

    /// Whether this process is in the machine's first process namespace. Where it
    /// is not, there are filesystems that others still use.
    fn owns_machine(&self) -> bool;

    /// Sends SIGKILL to every process but this one.
    fn kill_all(&self);

    /// Writes all cached data out.
    fn sync(&self);

    /// Powers the machine off. Returns only when that fails.
    ///
    /// # Errors
    ///
    /// As reboot(2).
    fn power_off(&self) -> io::Result<()>;
}
