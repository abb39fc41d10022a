//! SIGINT and SIGTERM: remove what is half written, say so, exit with status 1.

use crate::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A temporary folder that goes with its owner, or with an interruption.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(prefix: &str) -> std::io::Result<Self> {
        Self::new_in(prefix, &std::env::temp_dir())
    }

    pub(crate) fn new_in(prefix: &str, parent: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder.path().to_owned());
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Makes a child end with this process, however that ends.
pub(crate) fn tie(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only prctl is called, which is
    // async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(Into::into)
        })
    }
}

/// Starts the thread that waits for the signals.
pub(crate) fn install(json: bool) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Held to the end: the work that goes on meanwhile changes nothing more.
            let _abandoned = osbuilder::abandon_partial_files();
            for folder in FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                // What can't be removed stays; the process ends anyway.
                let _ = std::fs::remove_dir_all(folder);
            }
            let message = "interrupted; nothing was half written, run it again to go on";
            eprintln!("error: {message}");
            if json {
                println!("{:#}", Failure::from(anyhow::Error::msg(message)).json());
            }
            #[expect(clippy::exit, reason = "the process ends here by design")]
            std::process::exit(1);
        }
    });
}
