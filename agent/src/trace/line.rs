//! The line to whoever collects spans: a vsock connection to the host, or what a test
//! puts in its place. It must not know what goes over it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kata_agent_api::ports;
use vsock::VsockStream;

/// A connection; what is read from it is its end alone.
pub trait Line: Read + Write + Send {
    /// Tells the other end that nothing more comes; a read then lasts no longer than
    /// `patience`.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    fn finish(&self, patience: Duration) -> io::Result<()>;
}

impl Line for VsockStream {
    fn finish(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.shutdown(Shutdown::Write)
    }
}

impl Line for UnixStream {
    fn finish(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.shutdown(Shutdown::Write)
    }
}

/// Makes a connection whenever there is none.
pub type Dial = Box<dyn FnMut() -> io::Result<Box<dyn Line>> + Send>;

/// To the host's forwarder.
pub(super) fn to_the_host() -> Dial {
    Box::new(|| {
        let line = VsockStream::connect_with_cid_port(vsock::VMADDR_CID_HOST, ports::TRACE)?;
        Ok(Box::new(line))
    })
}
