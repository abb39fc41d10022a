//! The one-line handshake of hybrid vsock: `CONNECT port`, answered by `OK n`.
//! Works on a connected stream; the caller holds the clock.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Address, ConnectError};

/// `OK ` and a 32-bit number fit well; more is not this protocol.
const LONGEST_ANSWER: usize = 64;

/// Asks for `port` and reads the answer, byte by byte: what follows the line end
/// already belongs to ttRPC.
pub(super) async fn handshake(
    stream: &mut UnixStream,
    address: &Address,
    port: u32,
) -> Result<(), ConnectError> {
    let failed = |source: io::Error| match source.kind() {
        // The device closes at once when nobody listens in the guest; whether that
        // is seen while writing or while reading is a matter of luck.
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => ConnectError::HandshakeClosed { port },
        _ => ConnectError::Io { address: address.clone(), source },
    };
    stream.write_all(format!("CONNECT {port}\n").as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    loop {
        let byte = stream.read_u8().await.map_err(failed)?;
        if byte == b'\n' {
            break;
        }
        answer.push(byte);
        if answer.len() == LONGEST_ANSWER {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    match answer.strip_prefix("OK ").map(|number| number.trim().parse::<u32>()) {
        Some(Ok(_)) => Ok(()),
        _ => Err(ConnectError::HandshakeAnswer(answer.into_owned())),
    }
}
