//! The standard streams of a process: a pipe each, or one terminal. Who reads gets
//! what is there and waits where there is nothing; who does not read holds the
//! process up and nobody else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

use super::Ending;

/// The most that one reading gives.
const LARGEST_READ: usize = 1 << 20;
/// A process that has ended may leave others behind that hold its streams open:
/// what they write later than this is nobody's.
const LINGER: Duration = Duration::from_millis(500);

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// All has been read, or nobody reads any more.
    #[error("EOF: the stream has ended")]
    Ended,
    /// The process has no such stream, or its host has taken it.
    #[error("the process has no {0} here")]
    Absent(&'static str),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One end of a pipe, or a terminal's.
#[derive(Debug)]
pub(super) struct Stream {
    file: AsyncFd<File>,
}

impl Stream {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // SAFETY: the file stays open and the same for as long as it is registered:
        // nothing takes it out of the `AsyncFd`, which closes it when it goes.
        let file = unsafe { AsyncFd::register(File::from(fd)) }.map_err(io::Error::from)?;
        Ok(Self { file })
    }

    /// At most `most` bytes; none at the stream's end.
    pub(super) async fn read(&self, most: usize, ending: &Ending) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; most.clamp(1, LARGEST_READ)];
        loop {
            match (&mut self.file.get_ref()).read(&mut buffer) {
                Ok(length) => {
                    buffer.truncate(length);
                    buffer.shrink_to_fit();
                    return Ok(buffer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A terminal whose last user is gone.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
            let again = self.again(Interest::READABLE);
            if ending.code().is_some() {
                match tokio::time::timeout(LINGER, again).await {
                    Ok(ready) => ready?,
                    Err(_) => return Ok(Vec::new()),
                }
            } else {
                tokio::select! {
                    ready = again => ready?,
                    _ = ending.wait() => {}
                }
            }
        }
    }

    /// All of these bytes, unless the process ends first.
    pub(super) async fn write(&self, mut bytes: &[u8], ending: &Ending) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&mut self.file.get_ref()).write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if ending.code().is_some() {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    tokio::select! {
                        ready = self.again(Interest::WRITABLE) => ready?,
                        _ = ending.wait() => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the kernel says that it is worth trying again.
    async fn again(&self, interest: Interest) -> io::Result<()> {
        // The next attempt comes after this, so nothing that happens later is lost.
        self.file.ready(interest).await?.clear_ready();
        Ok(())
    }
}

/// Where a stream is, or is no more. One that has ended holds no file: ended processes
/// may be asked about for long.
#[derive(Debug, Clone, Default)]
enum Slot {
    /// There is none here.
    #[default]
    Absent,
    /// It can be used.
    Open(Arc<Stream>),
    /// Nothing comes any more.
    Ended,
}

impl Slot {
    fn stream(&self, name: &'static str) -> Result<&Arc<Stream>, StreamError> {
        match self {
            Self::Absent => Err(StreamError::Absent(name)),
            Self::Open(stream) => Ok(stream),
            Self::Ended => Err(StreamError::Ended),
        }
    }
}

impl From<Option<Arc<Stream>>> for Slot {
    fn from(stream: Option<Arc<Stream>>) -> Self {
        stream.map_or(Self::Absent, Self::Open)
    }
}

/// The streams of one process, as far as the agent's clients use them.
#[derive(Debug, Default)]
pub struct Streams {
    stdin: Mutex<Slot>,
    stdout: Mutex<Slot>,
    stderr: Mutex<Slot>,
    terminal: std::sync::Mutex<Slot>,
    has_terminal: bool,
}

impl Streams {
    /// The agent's ends of pipes; what is `None` is nobody's here.
    ///
    /// # Errors
    ///
    /// When an end can't be watched.
    pub fn pipes(
        stdin: Option<OwnedFd>,
        stdout: Option<OwnedFd>,
        stderr: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let stream = |fd: Option<OwnedFd>| {
            let stream = fd.map(Stream::new).transpose()?;
            io::Result::Ok(Mutex::new(stream.map(Arc::new).into()))
        };
        Ok(Self {
            stdin: stream(stdin)?,
            stdout: stream(stdout)?,
            stderr: stream(stderr)?,
            ..Self::default()
        })
    }

    /// The agent's end of a terminal; `forwarded` where its host takes what is said
    /// there by another way, and only the size is set here.
    ///
    /// # Errors
    ///
    /// When it can't be watched.
    pub fn terminal(master: OwnedFd, forwarded: bool) -> io::Result<Self> {
        let stream = Arc::new(Stream::new(master)?);
        let used = (!forwarded).then(|| Arc::clone(&stream));
        Ok(Self {
            stdin: Mutex::new(used.clone().into()),
            stdout: Mutex::new(used.into()),
            stderr: Mutex::default(),
            terminal: std::sync::Mutex::new(Slot::Open(stream)),
            has_terminal: true,
        })
    }

    /// What the process wrote to its standard output, at most `most` bytes.
    ///
    /// # Errors
    ///
    /// [`StreamError::Ended`] after the last byte.
    pub async fn read_stdout(&self, most: usize, ending: &Ending) -> Result<Vec<u8>, StreamError> {
        read(&self.stdout, "standard output", most, ending).await
    }

    /// The same of its standard error. A terminal has none of its own.
    ///
    /// # Errors
    ///
    /// As [`Streams::read_stdout`].
    pub async fn read_stderr(&self, most: usize, ending: &Ending) -> Result<Vec<u8>, StreamError> {
        if self.has_terminal {
            return Err(StreamError::Ended);
        }
        read(&self.stderr, "standard error", most, ending).await
    }

    /// Writes all bytes to the process' standard input.
    ///
    /// # Errors
    ///
    /// [`StreamError::Ended`] when nobody reads them any more.
    pub async fn write_stdin(&self, bytes: &[u8], ending: &Ending) -> Result<(), StreamError> {
        // Not held while writing, so that closing needs not wait for who never reads.
        let slot = self.stdin.lock().await.clone();
        match slot.stream("standard input")?.write(bytes, ending).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(StreamError::Ended),
            other => Ok(other?),
        }
    }

    /// Tells the process that nothing more comes. A terminal stays open: its users
    /// know their own way to say that.
    pub async fn close_stdin(&self) {
        *self.stdin.lock().await = Slot::Absent;
    }

    /// Lets go of what nobody needs once the process has ended. What it wrote can still
    /// be read.
    pub async fn release(&self) {
        *self.stdin.lock().await = Slot::Ended;
        *self.size_of() = Slot::Ended;
    }

    fn size_of(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the size of the terminal; that of a process which has ended takes any.
    ///
    /// # Errors
    ///
    /// [`StreamError::Absent`] without one.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), StreamError> {
        let slot = if self.has_terminal { self.size_of().clone() } else { Slot::Absent };
        let terminal = match slot.stream("terminal") {
            Err(StreamError::Ended) => return Ok(()),
            terminal => terminal?,
        };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let fd = terminal.file.get_ref().as_fd().as_raw_fd();
        // SAFETY: the descriptor is open for as long as `terminal` lives, and the
        // structure outlives the call, which only reads it.
        if unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) } < 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(())
    }
}

async fn read(
    slot: &Mutex<Slot>,
    name: &'static str,
    most: usize,
    ending: &Ending,
) -> Result<Vec<u8>, StreamError> {
    // Held all the time: two readers get one piece after the other.
    let mut slot = slot.lock().await;
    let bytes = slot.stream(name)?.read(most, ending).await?;
    if bytes.is_empty() {
        *slot = Slot::Ended;
        return Err(StreamError::Ended);
    }
    Ok(bytes)
}
