//! Everything that stops a kernel build, each in one sentence; the report of
//! lost options is the exception, since each lost line has its own reason.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use artifact_store::StoreError;
use thiserror::Error;

use crate::fragment::FragmentError;
use crate::kconfig::KconfigError;
use crate::proof::Lost;
use crate::tools::{MissingTool, install_command};

/// Why there is no kernel.
#[derive(Debug, Error)]
pub enum KernelError {
    /// Only some architectures can be built.
    #[error("kernels for {architecture} cannot be built; known is x86_64")]
    Architecture {
        /// What was asked for.
        architecture: String,
    },
    /// The flavour becomes part of file names and of `uname -r`.
    #[error(
        "the flavour {flavour:?} must be one word of letters, digits, dots, hyphens and underscores, at most 32 long, with a letter or digit first"
    )]
    Flavour {
        /// What was asked for.
        flavour: String,
    },
    /// The kernel's makefiles split such paths.
    #[error(
        "the kernel can't be built below {}: its makefiles take no path with white space or a colon; use a checkout in another folder",
        folder.display()
    )]
    Folder {
        /// The working folder.
        folder: PathBuf,
    },
    /// Host programs or headers are missing.
    #[error("{}", missing(tools))]
    MissingTools {
        /// All of them.
        tools: Vec<MissingTool>,
    },
    /// A folder without fragments is most likely a wrong path.
    #[error("{} has no *.conf fragment", folder.display())]
    NoFragments {
        /// The folder.
        folder: PathBuf,
    },
    /// Fragments are wrong or contradict each other.
    #[error("{}", lines("the config fragments cannot be used", problems))]
    Fragments {
        /// Every problem, in the order of files and lines.
        problems: Vec<FragmentError>,
    },
    /// Requested options are not in the final configuration.
    #[error("{}", lines(&survived(lost), lost))]
    Lost {
        /// Every lost line with its reason.
        lost: Vec<Lost>,
    },
    /// The kernel's own option tree cannot be read, so no reason can be given.
    #[error("the kernel's Kconfig files cannot be understood")]
    Kconfig(#[from] KconfigError),
    /// The source could not be fetched.
    #[error("the kernel source cannot be fetched")]
    Fetch(#[from] StoreError),
    /// The Debian archive could not be read.
    #[error("the archive with the kernel source cannot be used")]
    Repository(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The archive does not have the package.
    #[error("{archive} has no package {package}{}", near(nearest.as_deref()))]
    NoPackage {
        /// The archive, for people.
        archive: String,
        /// The package asked for.
        package: String,
        /// The package with the most similar name.
        nearest: Option<String>,
    },
    /// The package is there but holds no source.
    #[error("{package} holds no ./usr/src/{package}.tar.xz")]
    NoTarball {
        /// The package.
        package: String,
    },
    /// The source is not of the wanted version.
    #[error(
        "the source is Linux {actual}, but {asked} was asked for; change the one or the other in versions.yaml"
    )]
    Version {
        /// What was asked for.
        asked: String,
        /// What the source says of itself.
        actual: String,
    },
    /// The tarball holds something that no kernel source has.
    #[error("the source archive is refused at {entry}: {problem}")]
    Archive {
        /// The path inside the archive.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A command of the build failed.
    #[error("{what} failed{}", tail(log, last))]
    Command {
        /// What was being done.
        what: String,
        /// Where all it said is kept.
        log: PathBuf,
        /// The last lines that it said.
        last: Vec<String>,
    },
    /// The build changed the configuration that had been proven.
    #[error("the build changed {} after it had been proven; the kernel was not kept", path.display())]
    ConfigChanged {
        /// The configuration.
        path: PathBuf,
    },
    /// A file of the build could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl KernelError {
    /// A system error at `path`.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}

fn missing(tools: &[MissingTool]) -> String {
    let mut text = "this machine cannot build a kernel yet; missing:".to_owned();
    for tool in tools {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {} ({})", tool.name, tool.what_for);
    }
    let _ = write!(text, "\ninstall with: {}", install_command(tools));
    text
}

fn survived(lost: &[Lost]) -> String {
    match lost.len() {
        1 => "one requested option did not survive Kconfig".to_owned(),
        n => format!("{n} requested options did not survive Kconfig"),
    }
}

fn lines<T: std::fmt::Display>(head: &str, items: &[T]) -> String {
    let mut text = format!("{head}:");
    for item in items {
        let _ = write!(text, "\n{item}");
    }
    text
}

fn near(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; the nearest name is {name}"))
}

fn tail(log: &Path, last: &[String]) -> String {
    let mut text = format!("; everything it said is in {}", log.display());
    for line in last {
        let _ = write!(text, "\n  {line}");
    }
    text
}
