//! Where things are in the repository, and its versions database.

use crate::failure::Failure;
use anyhow::{Context, anyhow};
use artifact_store::{Store, StoreOptions};
use recipe::Versions;
use std::fs;
use std::path::{Path, PathBuf};

/// The checkout that xtask works on.
pub(crate) struct Project {
    root: PathBuf,
    /// The versions database.
    pub(crate) versions: Versions,
    /// Its text.
    pub(crate) versions_text: String,
}

impl Project {
    /// The nearest folder upwards that holds versions.yaml and recipes/, else
    /// the one that xtask was compiled in.
    pub(crate) fn find() -> Result<Self, Failure> {
        let here = std::env::current_dir().context("the current folder is gone")?;
        let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
        let root = here
            .ancestors()
            .chain([compiled])
            .find(|folder| {
                folder.join("versions.yaml").is_file() && folder.join("recipes").is_dir()
            })
            .ok_or_else(|| anyhow!("no versions.yaml here or above: run it inside the repository"))?
            .to_owned();
        let text = fs::read_to_string(root.join("versions.yaml"))
            .with_context(|| format!("{} can't be read", root.join("versions.yaml").display()))?;
        let versions = Versions::parse("versions.yaml", &text)?;
        Ok(Self { root, versions, versions_text: text })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn recipes(&self) -> PathBuf {
        self.root.join("recipes")
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Folder of artifacts of an architecture.
    pub(crate) fn out(&self, architecture: &str) -> PathBuf {
        self.target().join("kata").join(architecture)
    }

    /// Record of a local mirror.
    pub(crate) fn mirror_record(&self, distro: &str) -> PathBuf {
        self.target().join("mirror").join(format!("{distro}.json"))
    }

    /// Where `cargo install` puts tools for this checkout.
    pub(crate) fn tool_folder(&self) -> PathBuf {
        self.target().join("tools/bin")
    }

    /// The store of fetched files.
    pub(crate) fn store(&self, offline: bool) -> Result<Store, Failure> {
        let mut options = StoreOptions::new(artifact_store::default_dir());
        options.offline = offline;
        Ok(Store::open(options)?)
    }
}
