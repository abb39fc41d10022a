//! Connect a ttRPC client to an agent, wherever it listens.
//!
//! Guest state shows in how a connection fails, so the error tells the cases
//! apart: callers that wait for a booting guest retry some and give up on others.

mod address;
mod hybrid;

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio_vsock::{VsockAddr, VsockStream};
use ttrpc::asynchronous::Client;
use ttrpc::asynchronous::transport::Socket;

pub use address::{Address, AddressError};

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address could not be understood.
    #[error("the agent address is not usable")]
    Address(#[from] AddressError),
    /// The Unix socket file is not there: the hypervisor or agent has not made it (yet).
    #[error("there is no socket at {0}; is the guest running?")]
    SocketMissing(PathBuf),
    /// Nobody listens at the address: the process behind it has gone or not started.
    #[error("{0} refuses connections; nobody listens there (yet)")]
    Refused(Address),
    /// The hybrid vsock device took the connection, then closed it: nobody in the
    /// guest listens on that port yet.
    #[error("nobody in the guest listens on vsock port {port} (yet)")]
    HandshakeClosed {
        /// The port in the guest.
        port: u32,
    },
    /// The hybrid vsock device answered something else than `OK`.
    #[error("the vsock device answered {0:?} instead of OK; is this a hybrid vsock socket?")]
    HandshakeAnswer(String),
    /// The vsock address can't be reached: no such guest, or no vsock on this host.
    #[error("{0} can't be reached; is the guest running, and does this host have vsock?")]
    Unreachable(Address),
    /// Nothing happened within the deadline.
    #[error("{address} did not answer within {} ms", .deadline.as_millis())]
    Timeout {
        /// Where the connection was to go.
        address: Address,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// Any other failure of the operating system.
    #[error("can't connect to {address}")]
    Io {
        /// Where the connection was to go.
        address: Address,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether the same attempt may well succeed a little later, because the guest
    /// is still on its way up.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::SocketMissing(_)
            | Self::Refused(_)
            | Self::HandshakeClosed { .. }
            | Self::Unreachable(_)
            | Self::Timeout { .. } => true,
            Self::Address(_) | Self::HandshakeAnswer(_) => false,
            // vsock reports a device that is being reset this way.
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            }
        }
    }
}

/// Connects to the agent at `address` (see [`Address`] for the forms) and returns a
/// client, which the generated service clients take.
///
/// Makes one attempt and gives up after `deadline`.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect(address: &str, deadline: Duration) -> Result<Client, ConnectError> {
    connect_to(&address.parse()?, deadline).await
}

/// As [`connect`], for an address that has been parsed.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect_to(address: &Address, deadline: Duration) -> Result<Client, ConnectError> {
    Ok(Client::new(open(address, deadline).await?))
}

/// A plain stream of bytes to `address`: for ports where no ttRPC is spoken, such as
/// the debug console's.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn open(address: &Address, deadline: Duration) -> Result<Socket, ConnectError> {
    let attempt = async {
        match address {
            Address::Unix(path) => Ok(Socket::from(unix(address, path)?)),
            Address::Vsock { cid, port } => vsock(address, *cid, *port).await,
            Address::Hybrid { path, port } => {
                let mut stream = unix(address, path)?;
                hybrid::handshake(&mut stream, address, *port).await?;
                Ok(Socket::from(stream))
            }
        }
    };
    match tokio::time::timeout(deadline, attempt).await {
        Ok(socket) => socket,
        Err(_) => Err(ConnectError::Timeout { address: address.clone(), deadline }),
    }
}

async fn vsock(address: &Address, cid: u32, port: u32) -> Result<Socket, ConnectError> {
    match VsockStream::connect(VsockAddr::new(cid, port)).await {
        Ok(stream) => Ok(Socket::from(stream)),
        Err(error) => Err(classify(address, error)),
    }
}

/// `@name` is the abstract namespace, as everywhere in this protocol's tools.
fn unix(address: &Address, path: &std::path::Path) -> Result<UnixStream, ConnectError> {
    let connected = match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => {
            SocketAddr::from_abstract_name(name).and_then(|to| StdUnixStream::connect_addr(&to))
        }
        None => StdUnixStream::connect(path),
    };
    connected
        .and_then(|stream| {
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        })
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ConnectError::SocketMissing(path.to_owned()),
            _ => classify(address, error),
        })
}

fn classify(address: &Address, error: io::Error) -> ConnectError {
    // Linux gives ENODEV for an unknown CID over vhost, ENETUNREACH or
    // EHOSTUNREACH elsewhere, EAFNOSUPPORT or EADDRNOTAVAIL without any vsock
    // transport.
    const ENODEV: i32 = 19;
    const EAFNOSUPPORT: i32 = 97;
    const EADDRNOTAVAIL: i32 = 99;
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::ConnectionRefused, _) => ConnectError::Refused(address.clone()),
        (io::ErrorKind::ConnectionReset, _) if matches!(address, Address::Vsock { .. }) => {
            ConnectError::Refused(address.clone())
        }
        (io::ErrorKind::TimedOut, _) => {
            ConnectError::Io { address: address.clone(), source: error }
        }
        (io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _)
        | (_, Some(ENODEV | EAFNOSUPPORT | EADDRNOTAVAIL)) => {
            ConnectError::Unreachable(address.clone())
        }
        _ => ConnectError::Io { address: address.clone(), source: error },
    }
}
