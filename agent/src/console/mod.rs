//! The debug console: a shell of the guest for whoever connects from the host.
//! Off unless the configuration says so. Knows no RPC and no container; what it
//! gives away is the whole guest, so it listens to the host alone.

mod direct;
mod pty;
mod session;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener};

use crate::config::Config;
use crate::reaper::Reaper;

/// Shells at one time; each is a process of a guest that may have little memory.
pub const MOST_SESSIONS: usize = 8;

/// How long a shell may take to go once its terminal has been hung up.
const GRACE: Duration = Duration::from_secs(5);

/// How long a peer may take to close a connection over which nothing more comes.
const LINGER: Duration = Duration::from_secs(2);

/// After a connection could not be taken: mostly for lack of descriptors, which
/// asking again at once does not bring back.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Where shells are, the best first: that of an extension with tools, then the
/// guest's own.
const SHELLS: [&str; 3] = ["/run/kata-extensions/devkit/bin/devkit-sh", "/bin/bash", "/bin/sh"];

/// Gives out shells, as many as there are places.
#[derive(Debug)]
pub struct Consoles {
    reaper: Arc<Reaper>,
    shells: Vec<PathBuf>,
    places: Semaphore,
    grace: Duration,
}

impl Consoles {
    /// With the guest's usual shells.
    #[must_use]
    pub fn new(reaper: Arc<Reaper>) -> Self {
        Self::with_shells(reaper, SHELLS.map(PathBuf::from).to_vec(), GRACE)
    }

    fn with_shells(reaper: Arc<Reaper>, shells: Vec<PathBuf>, grace: Duration) -> Self {
        Self { reaper, shells, places: Semaphore::new(MOST_SESSIONS), grace }
    }

    /// The first shell that is there.
    fn shell(&self) -> io::Result<&PathBuf> {
        self.shells.iter().find(|path| path.is_file()).ok_or_else(|| {
            let names: Vec<_> = self.shells.iter().map(|path| path.display().to_string()).collect();
            io::Error::other(format!("there is no shell in this guest: {}", names.join(", ")))
        })
    }

    /// Serves one connection to its end: that of the shell or that of the peer.
    pub async fn attend<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let outcome = match (self.places.try_acquire(), self.shell()) {
            (Err(_), _) => {
                Err(io::Error::other(format!("{MOST_SESSIONS} debug consoles are open already")))
            }
            (Ok(_), Err(error)) => Err(error),
            (Ok(_place), Ok(shell)) => {
                session::run(&mut stream, &self.reaper, shell, self.grace).await
            }
        };
        if let Err(error) = outcome {
            log::warn!("no debug console: {error}");
            // The peer may have gone already.
            let _ = stream.write_all(format!("kata-agent: {error}\r\n").as_bytes()).await;
        }
        let _ = stream.shutdown().await;
        // The way to the host may forget what it still carries when a connection is
        // closed outright: the peer, who has read all, is to close it.
        let mut rest = [0; 64];
        let closed = async { while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {} };
        let _ = tokio::time::timeout(LINGER, closed).await;
    }
}

/// Opens the debug console where the configuration asks for one. That it can't is
/// no reason not to serve. Must be called within a runtime.
pub fn start(config: &Config, reaper: &Arc<Reaper>) {
    if !config.debug_console {
        return;
    }
    let consoles = Arc::new(Consoles::new(Arc::clone(reaper)));
    let port = config.debug_console_vport;
    if port == 0 {
        tokio::spawn(async move { direct::keep(&consoles, direct::CONSOLE.as_ref()).await });
        return;
    }
    match VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port)) {
        Ok(listener) => {
            log::info!("the debug console listens on vsock port {port}");
            tokio::spawn(accept(listener, consoles));
        }
        Err(error) => log::warn!("no debug console on vsock port {port}: {error}"),
    }
}

async fn accept(listener: VsockListener, consoles: Arc<Consoles>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) if peer.cid() == VMADDR_CID_HOST => {
                let consoles = Arc::clone(&consoles);
                tokio::spawn(async move { consoles.attend(stream).await });
            }
            // A container can reach its own guest's ports, and is not to get a
            // shell outside itself.
            Ok((_, peer)) => {
                log::warn!("a debug console is for the host alone, not for CID {}", peer.cid());
            }
            Err(error) => {
                log::warn!("the debug console took no connection: {error}");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
