//! Where a guest's vsock ports are, as seen from the host.
//!
//! Only the address: what is spoken over a port, and how long a caller keeps
//! trying while the guest comes up, is the caller's business. Until the guest's
//! driver and listener are up, a hybrid socket accepts a connection and closes
//! it at once (measured with vhost-device-vsock 0.3), so a caller has to repeat
//! the whole attempt, CONNECT line included.

use std::fmt;
use std::path::PathBuf;

/// Where a guest's ports are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VsockAddress {
    /// A Unix socket on which the first line is `CONNECT port` and the answer
    /// `OK number`; what follows is the stream.
    Hybrid(PathBuf),
    /// The guest's context id, through the host kernel's AF_VSOCK.
    Cid(u32),
}

impl fmt::Display for VsockAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hybrid(path) => write!(formatter, "hybrid vsock socket {}", path.display()),
            Self::Cid(cid) => write!(formatter, "vsock context id {cid}"),
        }
    }
}
