//! One shell on a terminal of its own, joined to a connection. Either end ends the
//! other.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::pty::{self, Master};
use crate::reaper::Reaper;

/// How long a peer may take to read what a shell that has ended had to say.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs `shell` for `stream` until one of them ends. A shell whose peer has gone is
/// hung up, and killed if it is still there after `grace`.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    reaper: &Reaper,
    shell: &Path,
    grace: Duration,
) -> io::Result<()> {
    let (master, slave) = pty::open()?;
    let (child, mut ended) = {
        let mut command = command(shell);
        pty::attach(&mut command, slave)?;
        // Our copies of the terminal's other side go with the command.
        reaper.spawn(&mut command)?
    };
    let pid = child.id();
    let _group = reaper.group(pid);
    log::info!("debug console: {} runs as process {pid}", shell.display());
    let (mut from, mut to) = tokio::io::split(stream);
    let shell_ended = {
        let mut shown = std::pin::pin!(show(&master, &mut to));
        let shell_ended = tokio::select! {
            _ = &mut ended => true,
            () = type_in(&mut from, &master) => false,
            () = &mut shown => false,
        };
        if shell_ended {
            // The kernel hangs the terminal up, so this ends once all is read.
            let _ = timeout(LAST_WORDS, shown).await;
        }
        shell_ended
    };
    // The terminal is hung up: a shell that is still there gets SIGHUP, and so does
    // what it runs.
    drop(master);
    if shell_ended || timeout(grace, ended).await.is_ok() {
        log::info!("debug console: process {pid} has ended");
    } else {
        log::warn!("debug console: process {pid} outlives its terminal and is killed");
    }
    Ok(())
}

/// A shell as a person expects it.
pub(super) fn command(shell: &Path) -> Command {
    let mut command = Command::new(shell);
    let home = if Path::new("/root").is_dir() { "/root" } else { "/" };
    command.current_dir(home).env("HOME", home).env("TERM", "xterm");
    command
}

/// Types what the peer sends, until there is no more.
async fn type_in(from: &mut (impl AsyncRead + Unpin), master: &Master) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if master.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            // Nobody has the other side open; what it has said is still to be read.
            std::future::pending::<()>().await;
        }
    }
}

/// Shows the peer what comes, until there is no more or nobody looks.
async fn show(master: &Master, to: &mut (impl AsyncWrite + Unpin)) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = master.read(&mut buffer).await {
        if to.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
