//! A pseudo terminal, and how a program gets a terminal as its own. Knows nothing
//! of shells or connections.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{Winsize, grantpt, posix_openpt, unlockpt};
use tokio::io::unix::AsyncFd;

/// What programs take for granted where nobody has said how large the window is.
const WINDOW: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// The side of a terminal where a person would sit. When it goes, the terminal is
/// hung up.
#[derive(Debug)]
pub(super) struct Master(AsyncFd<File>);

/// Makes a terminal: our side, and the program's. Must be called within a runtime.
pub(super) fn open() -> io::Result<(Master, OwnedFd)> {
    // Never inherited by a program that another part of the agent starts meanwhile:
    // that would keep the terminal open.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let master = File::from(OwnedFd::from(master));
    // Asked of the terminal itself, so that no path can lead to another one.
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the descriptor is open; the argument is a plain number.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let slave = Errno::result(slave)?;
    // SAFETY: the call above has just opened it, and nobody else knows of it.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    let window = WINDOW;
    // SAFETY: the descriptor is open and the structure outlives the call.
    let sized = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSWINSZ, &raw const window) };
    Errno::result(sized)?;
    // SAFETY: a file keeps its one descriptor, open, until it is dropped.
    let master = unsafe { AsyncFd::register(master) }.map_err(io::Error::from)?;
    Ok((Master(master), slave))
}

impl Master {
    /// Waits for what the program shows. 0 when it has closed the terminal.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|master| master.get_ref().read(buffer)) {
                // How the kernel says that nobody has the other side open.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Ok(0),
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(outcome) => return outcome,
                Err(_not_yet) => {}
            }
        }
    }

    /// Types all of `text`, as fast as the program takes it.
    pub(super) async fn write_all(&self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|master| master.get_ref().write(text)) {
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Ok(Ok(length)) => text = text.get(length..).unwrap_or_default(),
                Err(_not_yet) => {}
            }
        }
        Ok(())
    }
}

/// Has `command` run on `terminal`: as its three standard streams, and as the
/// controlling terminal of a session of its own.
pub(super) fn attach(command: &mut Command, terminal: OwnedFd) -> io::Result<()> {
    command.stdin(Stdio::from(terminal.try_clone()?));
    command.stdout(Stdio::from(terminal.try_clone()?));
    command.stderr(Stdio::from(terminal));
    let own = || {
        nix::unistd::setsid()?;
        // Standard input is the terminal by now. With 1, root takes a terminal over
        // that is another session's, as the machine's console is process 1's.
        // SAFETY: the descriptor is open; the argument is a plain number.
        Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 1) })?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and nothing else.
    unsafe { command.pre_exec(own) };
    Ok(())
}
