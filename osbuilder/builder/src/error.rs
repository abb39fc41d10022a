//! Why a guest could not be built. Each variant is one sentence for a person;
//! the cause below it, if any, is not repeated.

use artifact_store::StoreError;
use std::io;
use std::path::{Path, PathBuf};

/// Failure of a build. [`BuildError::is_input`] tells a mistake in the input
/// from work that failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No recipe of that name.
    #[error("there is no recipe for `{wanted}`{} (recipes: {offered})", did_you_mean(.near.as_deref()))]
    UnknownDistro {
        /// What was asked for.
        wanted: String,
        /// The nearest name.
        near: Option<String>,
        /// All names.
        offered: String,
    },
    /// A mistake in a recipe or template.
    #[error(transparent)]
    Problem(#[from] recipe::Problem),
    /// A choice that the recipe lacks.
    #[error(transparent)]
    Selection(#[from] recipe::recipe::SelectionError),
    /// A URL that is none.
    #[error("`{text}` is no mirror URL ({reason}); give http://…, https://… or file:///…")]
    MirrorUrl {
        /// As it was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// A local mirror was recorded but is gone.
    #[error(
        "the local mirror recorded in {} can't be used: {reason}; make it again with `cargo xtask mirror {distro}` or delete that file",
        .record.display()
    )]
    LocalMirror {
        /// The record.
        record: PathBuf,
        /// What is wrong.
        reason: String,
        /// The distro.
        distro: String,
    },
    /// A key that can't be read.
    #[error("the key {} can't be used: {reason}", .file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something wants an apt repository of a distro that has none.
    #[error("{0} has no apt repository: name a distro of the Debian family")]
    NotApt(String),
    /// No mirror gave a verified index.
    #[error("{distro}: the package repository can't be opened{hint}")]
    Repository {
        /// The distro.
        distro: String,
        /// What else helps.
        hint: String,
        /// The attempts.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The packages don't fit together or are missing.
    #[error("{distro}: the packages of the recipe can't be chosen")]
    Solve {
        /// The distro.
        distro: String,
        /// The reason tree.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The repository offers an older index than the lock was made from.
    #[error(
        "{distro}: the index {index} of {offered} is older than the one of {locked} that {lock} was made from: \
         a mirror that lags behind, or somebody who offers the past again; \
         give another mirror with --mirror URL, or delete that lock if the archive really went back"
    )]
    Rollback {
        /// The distro.
        distro: String,
        /// Path of the index below the mirror.
        index: String,
        /// When the offered index was made.
        offered: String,
        /// When the locked one was made.
        locked: String,
        /// The lock's file.
        lock: String,
    },
    /// Recipe and lock don't go together.
    #[error(
        "{lock} does not fit {recipe}: {reason}; bring it up to date with `cargo xtask lock --distro {distro} --arch {architecture}`"
    )]
    LockStale {
        /// The lock's file.
        lock: String,
        /// The recipe's file.
        recipe: String,
        /// How they differ.
        reason: String,
        /// The distro.
        distro: String,
        /// Our name of the architecture.
        architecture: String,
    },
    /// There is no lock, and none may be made.
    #[error(
        "there is no {lock}; make it with `cargo xtask lock --distro {distro} --arch {architecture}`"
    )]
    NoLock {
        /// The lock's file.
        lock: String,
        /// The distro.
        distro: String,
        /// Our name of the architecture.
        architecture: String,
    },
    /// No mirror has a locked package any more.
    #[error(
        "{distro}: {package} of {lock} is on no mirror any more; the archive has most likely replaced it. \
         Take what is there now with `cargo xtask lock --distro {distro}` and see what changes, \
         or give a mirror that keeps old packages with --mirror URL"
    )]
    Gone {
        /// The distro.
        distro: String,
        /// Name and version of the package.
        package: String,
        /// The lock's file.
        lock: String,
        /// The attempts.
        #[source]
        source: StoreError,
    },
    /// A package could not be fetched.
    #[error("{distro}: packages can't be fetched{hint}")]
    Fetch {
        /// The distro.
        distro: String,
        /// What helps, where the cause below does not say it.
        hint: &'static str,
        /// The attempts.
        #[source]
        source: StoreError,
    },
    /// A package is damaged or lies about itself.
    #[error(transparent)]
    Package(Box<dyn std::error::Error + Send + Sync>),
    /// A package does not fit the tree.
    #[error(transparent)]
    Merge(#[from] rootfs::MergeError),
    /// Something of the recipe does not fit the tree.
    #[error("{recipe}: {what} can't be put into the guest")]
    Edit {
        /// The recipe file.
        recipe: String,
        /// Which noun.
        what: String,
        /// Why.
        #[source]
        source: rootfs::EditError,
    },
    /// A pattern of the recipe is malformed.
    #[error("{recipe}: a pattern is malformed")]
    Pattern {
        /// The recipe file.
        recipe: String,
        /// Which and why.
        #[source]
        source: rootfs::PatternError,
    },
    /// A link list is not in the tree.
    #[error(
        "{recipe}: the link list {list} is in no package; is the package that brings it left out?"
    )]
    LinkList {
        /// The recipe file.
        recipe: String,
        /// The guest path.
        list: String,
    },
    /// The artifact could not be written.
    #[error("{} can't be written", .path.display())]
    Write {
        /// The artifact.
        path: PathBuf,
        /// Why.
        #[source]
        source: image::ImageError,
    },
    /// A file that a bundle lacks.
    #[error("{} is not there; build-image and build-kernel make what a bundle holds", .path.display())]
    BundleFile {
        /// The file.
        path: PathBuf,
    },
    /// A manifest that a bundle can't use.
    #[error("{} is no manifest of this version; build the artifact again", .path.display())]
    BundleManifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A bundle that could not be written.
    #[error("{} can't be written", .path.display())]
    Bundle {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: image::oci::OciError,
    },
    /// A folder that would be lost.
    #[error("{} holds something else than an OCI layout; name another folder", .path.display())]
    InTheWay {
        /// The folder.
        path: PathBuf,
    },
    /// There is no room for the output.
    #[error("no space left to write {}; free some, or build into another folder with --out DIR", .path.display())]
    DiskFull {
        /// The output file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{}: {action} failed", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BuildError {
    /// A failed operation on an output file, told apart by whether space ran out.
    pub(crate) fn output(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { action, path, source },
        }
    }

    /// Packages of `distro` that the store could not get.
    pub(crate) fn fetch(distro: &str, source: StoreError) -> Self {
        Self::Fetch { distro: distro.to_owned(), hint: mirror_hint(&source), source }
    }

    /// Whether the caller's input is at fault (exit status 2) and not the work.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::UnknownDistro { .. }
                | Self::NotApt(_)
                | Self::Problem(_)
                | Self::Selection(_)
                | Self::LockStale { .. }
                | Self::NoLock { .. }
                | Self::MirrorUrl { .. }
                | Self::Key { .. }
                | Self::Pattern { .. }
                | Self::LinkList { .. }
                | Self::Edit { .. }
                | Self::BundleFile { .. }
                | Self::BundleManifest { .. }
                | Self::InTheWay { .. }
        )
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// What to do about wrong bytes; about everything else the store says it.
pub(crate) fn mirror_hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::DigestMismatch { .. }
        | StoreError::Rejected { .. }
        | StoreError::TooLarge { .. } => "; give another mirror with --mirror URL",
        _ => "",
    }
}
