//! A shell on a terminal that is there already: the machine's console, where there
//! is no vsock port for it. Knows no connection.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;

use super::{Consoles, pty, session};

/// The machine's console.
pub(super) const CONSOLE: &str = "/dev/console";

/// A shell that ends sooner was not ended by a person.
const SHORTEST: Duration = Duration::from_secs(1);

/// Keeps a shell on `terminal`: when one ends, the next one starts, unless it could
/// not work at all.
pub(super) async fn keep(consoles: &Consoles, terminal: &Path) {
    loop {
        let since = Instant::now();
        if let Err(error) = once(consoles, terminal).await {
            log::warn!("no debug console on {}: {error}", terminal.display());
            return;
        }
        if since.elapsed() < SHORTEST {
            log::warn!("the shell on {} ends at once; no debug console", terminal.display());
            return;
        }
    }
}

async fn once(consoles: &Consoles, terminal: &Path) -> io::Result<()> {
    let shell = consoles.shell()?;
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(terminal)?;
    let mut command = session::command(shell);
    pty::attach(&mut command, OwnedFd::from(file))?;
    let (child, ended) = consoles.reaper.spawn(&mut command)?;
    drop(command);
    log::info!("debug console: {} runs as process {}", shell.display(), child.id());
    ended.await.map_err(|_| io::Error::other("the collector of processes has gone"))?;
    Ok(())
}
