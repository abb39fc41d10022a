//! What a child gets to read, written without ever waiting for a child that does
//! not read. Knows nothing of processes.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Sender;

/// The input of a child, and what of it is still to be written.
pub(super) struct Input<'a> {
    /// Gone once all is written or nobody reads any more.
    pipe: Option<Sender>,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Takes the writing end of a pipe, if there is one. Must be called within a
    /// runtime.
    pub(super) fn of(pipe: Option<impl Into<OwnedFd>>, bytes: &'a [u8]) -> io::Result<Self> {
        let pipe = pipe.filter(|_| !bytes.is_empty());
        let pipe = pipe.map(|pipe| Sender::from_owned_fd(pipe.into())).transpose()?;
        Ok(Self { pipe, rest: bytes })
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits until the child takes more, and gives it that.
    pub(super) async fn write(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let ready = pipe.writable().await;
        match ready.and_then(|()| pipe.try_write(self.rest)) {
            Ok(length) => self.rest = self.rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Nobody reads: the child's own end says why.
            Err(_) => self.rest = &[],
        }
        if self.rest.is_empty() {
            self.pipe = None;
        }
    }
}
