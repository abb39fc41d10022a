//! A terminal of the container's own: a pair within its devpts. The one end becomes the
//! program's input, output and error, the other goes to the starter.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::confine::{Kind, Root};
use crate::os::mount_api;

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines of text.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// Makes the pair and puts the program's end in place of the descriptors 0, 1 and 2.
/// The process must lead its session. Returns the other end.
pub(crate) fn make(size: Option<Size>) -> io::Result<OwnedFd> {
    let master = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC)
        .open("/dev/ptmx")?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the number outlives the call.
    let done = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    Errno::result(done)?;
    // By the master itself, not by a path: /dev/pts belongs to the container.
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the call takes numbers only.
    let raw = unsafe { libc::ioctl(master.as_raw_fd(), TIOCGPTPEER, flags) };
    Errno::result(raw)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let slave = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(raw) };
    if let Some(size) = size {
        resize(&master, size)?;
    }
    nix::unistd::dup2_stdin(&slave)?;
    nix::unistd::dup2_stdout(&slave)?;
    nix::unistd::dup2_stderr(&slave)?;
    // SAFETY: the call takes numbers only.
    Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
    Ok(master.into())
}

/// `_IO('T', 0x41)`
const TIOCGPTPEER: libc::Ioctl = 0x5441;

/// Tells the terminal, and the program in it, its size.
///
/// # Errors
///
/// When it is no terminal.
pub(crate) fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let wanted =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the structure outlives the call.
    let done =
        unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const wanted) };
    Errno::result(done)?;
    Ok(())
}

/// Shows the program's terminal as /dev/console. This process's root is the container's.
pub(crate) fn as_console() -> io::Result<()> {
    let root = Root::open_path(Path::new("/"))?;
    let place = root.make(Path::new("/dev/console"), Kind::File)?;
    let slave = slave_path()?;
    // Found below /dev/pts, and then seen to be the terminal that we hold.
    let found = root.open(Path::new(&slave), OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
    let same = |a: &nix::sys::stat::FileStat, b: &nix::sys::stat::FileStat| {
        (a.st_rdev, a.st_ino, a.st_dev) == (b.st_rdev, b.st_ino, b.st_dev)
    };
    let stdin = io::stdin();
    if !same(&nix::sys::stat::fstat(&found)?, &nix::sys::stat::fstat(&stdin)?) {
        return Err(io::Error::other(format!("{slave} is not the terminal")));
    }
    let copy = mount_api::clone_tree(found.as_fd(), c"", false)?;
    mount_api::move_to(copy, place)
}

/// The terminal's name within its devpts: the device's minor number is all of it, since
/// devpts numbers its terminals from 0 and has one major number for a million of them.
fn slave_path() -> io::Result<String> {
    let status = nix::sys::stat::fstat(io::stdin())?;
    Ok(format!("/dev/pts/{}", libc::minor(status.st_rdev)))
}

/// Makes a descriptor's file belong to the program's user, so that it can open its own
/// input and output again. What can't belong to anyone else stays.
pub(crate) fn give_to(uid: u32, descriptor: impl AsFd) -> io::Result<()> {
    let status = nix::sys::stat::fstat(descriptor.as_fd())?;
    if status.st_uid == uid || crate::devices::is_null(descriptor.as_fd()) {
        return Ok(());
    }
    match nix::unistd::fchown(descriptor.as_fd(), Some(uid.into()), None) {
        // A user without a number in this namespace, or a read-only file.
        Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS | Errno::ENOSYS) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A file that nobody reads and that is always empty.
pub(crate) fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
