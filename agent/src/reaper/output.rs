//! What a child writes to one of its outputs, gathered without ever waiting for
//! more than there is: a grandchild may hold the other end of the pipe for as long
//! as it likes. Knows nothing of processes.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

/// Output beyond this many bytes is cut off.
pub const LARGEST: usize = 256 << 10;

/// One output of a child.
pub(super) struct Output {
    /// Gone once everybody has closed the other end.
    pipe: Option<Receiver>,
    bytes: Vec<u8>,
}

impl Output {
    /// Takes the reading end of a pipe. Must be called within a runtime.
    pub(super) fn of(pipe: Option<impl Into<OwnedFd>>) -> std::io::Result<Self> {
        let pipe = pipe.map(|pipe| Receiver::from_owned_fd(pipe.into())).transpose()?;
        Ok(Self { pipe, bytes: Vec::new() })
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits until something has been written and takes one piece of it. What is
    /// too much is taken too, so that the child is not held up by a full pipe.
    pub(super) async fn read(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let ready = pipe.readable().await;
        let mut piece = [0; 8192];
        match ready.and_then(|()| pipe.try_read(&mut piece)) {
            Ok(length) if length > 0 => self.keep(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The end; a broken pipe just ends the text too.
            _ => self.pipe = None,
        }
    }

    /// The text, with what still lies in the pipe. All that a child has written is
    /// there once it has ended, so nothing is waited for.
    pub(super) fn finish(mut self) -> String {
        // Asked of the kernel itself: the runtime may not have heard of it yet.
        if let Some(Ok(pipe)) = self.pipe.take().map(Receiver::into_nonblocking_fd) {
            let mut pipe = File::from(pipe);
            let mut piece = [0; 8192];
            // Ends even when somebody else goes on writing: there is an upper limit.
            while self.bytes.len() < LARGEST {
                match pipe.read(&mut piece) {
                    Ok(length) if length > 0 => self.keep(piece.get(..length).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LARGEST.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
}
