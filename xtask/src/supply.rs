//! Where a verb's packages come from: mirrors, keys, locks, network or none. The
//! flags that several verbs share, and what they mean.

use crate::failure::Failure;
use crate::project::Project;
use artifact_store::Store;
use clap::Args;
use osbuilder::MirrorChoice;
use std::path::PathBuf;

/// Names a folder of locks for verbs that are not given `--locks`.
const VARIABLE: &str = "KATA_LOCKS";

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Supply {
    /// Base URL of a mirror (http, https or file) in place of the usual ones;
    /// several are tried in order.
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
    /// Public key that the mirror is signed with, in place of the recipe's.
    #[arg(long, value_name = "FILE", requires = "mirror")]
    mirror_key: Vec<PathBuf>,
    /// Locks lie in DIR/<distro>/<arch>.yaml, not with the recipes.
    #[arg(long, value_name = "DIR")]
    locks: Option<PathBuf>,
    /// Use only what the store holds, and mirrors that are folders; open no
    /// connection.
    #[arg(long)]
    pub(crate) offline: bool,
}

impl Supply {
    /// Mirrors and keys for `distro`.
    pub(crate) fn mirrors(&self, project: &Project, distro: &str) -> MirrorChoice {
        MirrorChoice {
            urls: self.mirror.clone(),
            keys: self.mirror_key.clone(),
            record: Some(project.mirror_record(distro)),
            host_root: PathBuf::from("/"),
        }
    }

    /// The folder of locks, where it is not the recipes'.
    pub(crate) fn locks(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        self.locks.clone().or_else(|| variable().map(PathBuf::from))
    }

    /// The store, with or without the network.
    pub(crate) fn store(&self, project: &Project) -> Result<Store, Failure> {
        project.store(self.offline)
    }
}
