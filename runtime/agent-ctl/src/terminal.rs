//! The terminal that a person sits at, while a guest has it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// The terminal at standard input, letting every key through; as it was before when
/// this goes.
pub struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    /// From now on.
    pub fn enter() -> io::Result<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&terminal, SetArg::TCSADRAIN, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody to tell that the terminal has gone.
        let _ = tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

/// Rows and columns of the terminal at standard input, where it is one.
pub fn size() -> Option<(u32, u32)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open for the whole of this process, and the structure
    // outlives the call.
    let asked = unsafe { libc::ioctl(io::stdin().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (asked == 0).then(|| (u32::from(size.ws_row), u32::from(size.ws_col)))
}
