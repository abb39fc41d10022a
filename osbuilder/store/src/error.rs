//! What can go wrong, each in one sentence that names the file at fault.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use ureq::http::StatusCode;

/// One URL that was tried and why it did not help.
pub type Attempt = (String, String);

/// Why the store could not give a file.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No URL gave acceptable bytes; each is listed with its reason.
    #[error("cannot fetch {label}: {}", list(attempts))]
    AllMirrorsFailed {
        /// The request's label.
        label: String,
        /// Every URL that was tried, in order, with its reason.
        attempts: Vec<Attempt>,
    },
    /// The only URL gave bytes with another digest.
    #[error("{label} from {url} has the wrong digest: expected sha256 {expected}, got {actual}")]
    DigestMismatch {
        /// The request's label.
        label: String,
        /// Where the bytes came from.
        url: String,
        /// The digest asked for, in hexadecimal.
        expected: String,
        /// The digest of what came, in hexadecimal.
        actual: String,
    },
    /// The only URL gave bytes that the caller's check refused.
    #[error("{label} from {url} was refused: {reason}")]
    Rejected {
        /// The request's label.
        label: String,
        /// Where the bytes came from.
        url: String,
        /// What the check said.
        reason: String,
    },
    /// The only URL gave, or announced, more bytes than allowed.
    #[error("{label} from {url} is larger than the {limit} bytes allowed for it")]
    TooLarge {
        /// The request's label.
        label: String,
        /// Where the bytes came from.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not in the store and the network may not be used.
    #[error(
        "{label} is not in the store and the network is off; without --offline it would come from {}",
        one_line(urls)
    )]
    Offline {
        /// The request's label.
        label: String,
        /// Where it could be had.
        urls: Vec<String>,
    },
    /// A proxy variable holds something that cannot be used.
    #[error("the variable {variable} does not name a usable proxy: {reason}")]
    BadProxy {
        /// The variable's name.
        variable: String,
        /// What is wrong with it; never the value, which may hold a password.
        reason: &'static str,
    },
    /// The file of logins makes no sense.
    #[error("{}:{line}: {reason}; correct the file, or name another in the variable NETRC", path.display())]
    BadNetrc {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there; never the words, which may be passwords.
        reason: &'static str,
    },
    /// A stored file changed after it was proven.
    #[error("{} changed on disk after it was verified; run the command again to fetch it anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The disk, or the user's share of it, is full.
    #[error("no space left to write {}; free some, or point KATA_STORE at a folder with room", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the store could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether no mirror had the file, and at least one answered that there is
    /// none: it is not the network that is at fault.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let Self::AllMirrorsFailed { attempts, .. } = self else { return false };
        let says_so = |(_, reason): &&Attempt| {
            reason == crate::transfer::NO_FILE
                || [StatusCode::NOT_FOUND, StatusCode::GONE]
                    .iter()
                    .any(|status| *reason == crate::transfer::answered(*status))
        };
        attempts.iter().any(|attempt| says_so(&attempt))
    }

    /// A local error at `path`, told apart by whether space ran out.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

fn one_line(urls: &[String]) -> String {
    if urls.is_empty() { "nowhere: no URL is known".to_owned() } else { urls.join(" or ") }
}

fn list(attempts: &[Attempt]) -> String {
    let mut text = match attempts.len() {
        0 => return "no URL is known for it; give a mirror with --mirror URL".to_owned(),
        1 => "the only mirror failed".to_owned(),
        n => format!("all {n} mirrors failed"),
    };
    for (url, reason) in attempts {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {url}: {reason}");
    }
    text.push_str("\ngive another mirror with --mirror URL (http, https or file)");
    text
}
