//! A process of a container, as its starter holds it: by a descriptor, so that no
//! signal ever reaches another process that has got its number.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::children::Exit;
use crate::error::{During, Error};
use crate::terminal::{self, Size};

/// Where a process's standard streams lead.
#[derive(Debug)]
pub enum Stdio {
    /// Pipes, whose other ends are in [`Streams`]; the size of their buffers in bytes,
    /// or 0 for the kernel's own.
    Pipes(u32),
    /// Nowhere.
    Null,
    /// To these descriptors: input, output, error.
    Given([OwnedFd; 3]),
}

/// The starter's ends. With a terminal there is the terminal only.
#[derive(Debug, Default)]
pub struct Streams {
    /// What is written here is the process's input; closing it is the end of input.
    pub stdin: Option<OwnedFd>,
    /// The process's output.
    pub stdout: Option<OwnedFd>,
    /// The process's error output.
    pub stderr: Option<OwnedFd>,
    /// The terminal's master: input and output of the process.
    pub terminal: Option<OwnedFd>,
}

/// The process's own three streams, and the starter's ends.
pub(crate) struct Ends {
    pub own: [OwnedFd; 3],
    pub streams: Streams,
}

/// Opens what a process needs. With a terminal it begins with none.
pub(crate) fn open(stdio: Stdio, has_terminal: bool) -> Result<Ends, Error> {
    let null = || {
        let one = || terminal::null().map(OwnedFd::from);
        Ok::<_, io::Error>([one()?, one()?, one()?])
    };
    match stdio {
        Stdio::Given(own) if !has_terminal => Ok(Ends { own, streams: Streams::default() }),
        Stdio::Pipes(size) if !has_terminal => pipes(size).during(|| "can't make pipes"),
        _ => {
            Ok(Ends { own: null().during(|| "can't open /dev/null")?, streams: Streams::default() })
        }
    }
}

fn pipes(size: u32) -> io::Result<Ends> {
    let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        if size != 0 {
            fcntl(&writer, FcntlArg::F_SETPIPE_SZ(size))?;
        }
        Ok((reader.into(), writer.into()))
    };
    let (input, output, error) = (pipe()?, pipe()?, pipe()?);
    Ok(Ends {
        own: [input.0, output.1, error.1],
        streams: Streams {
            stdin: Some(input.1),
            stdout: Some(output.0),
            stderr: Some(error.0),
            terminal: None,
        },
    })
}

/// Sends a signal to the process that a pidfd means.
pub(crate) fn send_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open; no further information is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::result(done)?;
    Ok(())
}

/// A started process.
#[derive(Debug)]
pub struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) exit: Exit,
    pub(crate) streams: Streams,
}

impl Process {
    /// Its number in the agent's pid namespace. Only for people: it may be another's
    /// once the process has ended.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// How it ended, or will.
    #[must_use]
    pub fn exit(&self) -> &Exit {
        &self.exit
    }

    /// Takes the starter's ends of its streams; they are there once.
    #[must_use]
    pub fn take_streams(&mut self) -> Streams {
        std::mem::take(&mut self.streams)
    }

    /// Whether the process has a handler for a signal. The first process of a pid
    /// namespace is not ended by a signal that it has no handler for, SIGKILL apart.
    ///
    /// # Errors
    ///
    /// When /proc does not tell.
    pub fn handles(&self, signal: i32) -> Result<bool, Error> {
        let path = format!("/proc/{}/status", self.pid);
        let mut status = String::new();
        File::open(&path)
            .and_then(|file| file.take(1 << 16).read_to_string(&mut status))
            .during(|| format!("can't read {path}"))?;
        let set = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
            .unwrap_or(0);
        let bit = u32::try_from(signal - 1).ok().and_then(|shift| 1_u64.checked_shl(shift));
        Ok(set & bit.unwrap_or(0) != 0)
    }

    /// Sends a signal. A process that has ended takes any.
    ///
    /// # Errors
    ///
    /// When there is no such signal.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        match send_signal(&self.pidfd, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            sent => sent.during(|| format!("can't send the signal {signal} to {}", self.pid)),
        }
    }
}

/// Tells a terminal its new size.
///
/// # Errors
///
/// When the descriptor is no terminal.
pub fn resize(terminal: impl AsFd, size: Size) -> Result<(), Error> {
    terminal::resize(terminal, size).during(|| "can't resize the terminal")
}
