//! Streams of a process that its host takes over connections of their own: copied
//! here, each by one task, which ends with the stream.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Ending;
use super::streams::Stream;

const CHUNK: usize = 64 << 10;

/// From a connection into the process, until either side ends.
///
/// # Errors
///
/// When the process' end can't be watched.
pub(super) fn into_process(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    to: OwnedFd,
    ending: Ending,
) -> io::Result<()> {
    let to = Stream::new(to)?;
    tokio::spawn(async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = tokio::select! {
                read = from.read(&mut buffer) => read.unwrap_or(0),
                _ = ending.wait() => 0,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            // Dropping the stream tells the process that nothing more comes.
            if bytes.is_empty() || to.write(bytes, &ending).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// From the process into a connection, until the process' stream ends.
///
/// # Errors
///
/// When the process' end can't be watched.
pub(super) fn out_of_process(
    from: OwnedFd,
    to: impl AsyncWrite + Unpin + Send + 'static,
    ending: Ending,
) -> io::Result<()> {
    let from = Arc::new(Stream::new(from)?);
    tokio::spawn(async move {
        let mut to = to;
        while let Ok(bytes) = from.read(CHUNK, &ending).await
            && !bytes.is_empty()
        {
            // A host that is gone must not hold the process up: what it writes from
            // now on is read and dropped.
            if to.write_all(&bytes).await.is_err() {
                while from.read(CHUNK, &ending).await.is_ok_and(|rest| !rest.is_empty()) {}
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    Ok(())
}
