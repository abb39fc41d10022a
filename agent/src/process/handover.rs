//! Connections that a host makes ahead of the request that needs them, so that a
//! process' streams need no RPC: each is known by the port it came from.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener, VsockStream};

/// How long a request waits for its connection: hosts connect first.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that nobody asked for yet; more are a mistake of the host.
const MOST: usize = 256;

/// The connections that wait for their request.
#[derive(Debug, Default)]
pub struct Handover {
    waiting: Mutex<BTreeMap<u32, VsockStream>>,
    came: Notify,
}

impl Handover {
    /// Listens on a vsock port from now on. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the port can't be listened on.
    pub fn listen(self: &Arc<Self>, port: u32) -> io::Result<()> {
        let listener = VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port))?;
        let this = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    // A container can reach this port too.
                    Ok((_, peer)) if peer.cid() != VMADDR_CID_HOST => {}
                    Ok((stream, peer)) => this.put(peer.port(), stream),
                    Err(error) => log::warn!("no connection for streams: {error}"),
                }
            }
        });
        Ok(())
    }

    fn put(&self, port: u32, stream: VsockStream) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST {
            log::warn!("{MOST} connections wait for their process already; one more is closed");
            return;
        }
        waiting.insert(port, stream);
        self.came.notify_waiters();
    }

    fn take_now(&self, port: u32) -> Option<VsockStream> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&port)
    }

    /// The connection that came from `port`, waited for a little.
    ///
    /// # Errors
    ///
    /// `TimedOut` where none came.
    pub async fn take(&self, port: u32) -> io::Result<VsockStream> {
        let wait = async {
            loop {
                let came = self.came.notified();
                tokio::pin!(came);
                // Before the look, so that nothing falls between it and the waiting.
                came.as_mut().enable();
                if let Some(stream) = self.take_now(port) {
                    return stream;
                }
                came.await;
            }
        };
        let timed = tokio::time::timeout(PATIENCE, wait).await;
        timed.map_err(|_| {
            let text = format!("no connection came from the host's vsock port {port}");
            io::Error::new(io::ErrorKind::TimedOut, text)
        })
    }
}
