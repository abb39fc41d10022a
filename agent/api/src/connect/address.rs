//! Where an agent listens, as people write it. Opens no socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Place of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `vsock://CID:PORT`: a guest's own address on this host.
    Vsock {
        /// Context identifier of the guest.
        cid: u32,
        /// Port in the guest.
        port: u32,
    },
    /// `hvsock:///path/to/socket:PORT`: a hypervisor's Unix socket that passes
    /// connections on after a one-line handshake.
    Hybrid {
        /// The socket on this host.
        path: PathBuf,
        /// Port in the guest.
        port: u32,
    },
    /// `unix:///path` or `unix://@name` (abstract).
    Unix(PathBuf),
}

/// Why a text is no agent address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The scheme is not one of the three.
    #[error("{0:?} must start with vsock://, hvsock:// or unix://")]
    Scheme(String),
    /// No port, or one that is not a number.
    #[error("{0:?} must end with a colon and a port number, such as :1024")]
    Port(String),
    /// The context identifier is not a number.
    #[error("{0:?} must name the guest by a number, such as vsock://3:1024")]
    Cid(String),
    /// The path is missing.
    #[error("{0:?} must name a socket")]
    Path(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix://") {
            if path.is_empty() || path == "@" {
                return Err(AddressError::Path(text.to_owned()));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let split_port = |rest: &str| -> Result<(String, u32), AddressError> {
            let (place, port) =
                rest.rsplit_once(':').ok_or_else(|| AddressError::Port(text.to_owned()))?;
            let port = port.parse().map_err(|_| AddressError::Port(text.to_owned()))?;
            Ok((place.to_owned(), port))
        };
        if let Some(rest) = text.strip_prefix("hvsock://") {
            let (path, port) = split_port(rest)?;
            if path.is_empty() {
                return Err(AddressError::Path(text.to_owned()));
            }
            return Ok(Self::Hybrid { path: PathBuf::from(path), port });
        }
        if let Some(rest) = text.strip_prefix("vsock://") {
            let (cid, port) = split_port(rest)?;
            // -1 is the usual way to write "any", which only a listener can use;
            // 1 is this host itself, which helps tests.
            let cid = cid.parse().map_err(|_| AddressError::Cid(text.to_owned()))?;
            return Ok(Self::Vsock { cid, port });
        }
        Err(AddressError::Scheme(text.to_owned()))
    }
}

impl Address {
    /// Another port of the same guest. An agent's own Unix socket has no ports and
    /// stays as it is.
    #[must_use]
    pub fn with_port(self, port: u32) -> Self {
        match self {
            Self::Vsock { cid, .. } => Self::Vsock { cid, port },
            Self::Hybrid { path, .. } => Self::Hybrid { path, port },
            Self::Unix(path) => Self::Unix(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock://{cid}:{port}"),
            Self::Hybrid { path, port } => write!(f, "hvsock://{}:{port}", path.display()),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_written() {
        for text in ["vsock://3:1024", "hvsock:///run/vm/a:b.sock:1024", "unix:///run/a.sock"] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
        let hybrid: Address = "hvsock:///run/vm/a:b.sock:1024".parse().unwrap();
        assert_eq!(hybrid, Address::Hybrid { path: "/run/vm/a:b.sock".into(), port: 1024 });
    }

    #[test]
    fn another_port_of_the_same_guest() {
        for (text, other) in [
            ("vsock://3:1024", "vsock://3:7"),
            ("hvsock:///a:1024", "hvsock:///a:7"),
            ("unix:///a", "unix:///a"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().with_port(7).to_string(), other);
        }
    }

    #[test]
    fn wrong_forms_say_what_is_wrong() {
        let wrong = |text: &str| text.parse::<Address>().unwrap_err();
        assert!(matches!(wrong("tcp://127.0.0.1:1"), AddressError::Scheme(_)));
        assert!(matches!(wrong("vsock://3"), AddressError::Port(_)));
        assert!(matches!(wrong("vsock://-1:1024"), AddressError::Cid(_)));
        assert!(matches!(wrong("hvsock:///run/x"), AddressError::Port(_)));
        assert!(matches!(wrong("hvsock://:5"), AddressError::Path(_)));
        assert!(matches!(wrong("unix://"), AddressError::Path(_)));
    }
}
