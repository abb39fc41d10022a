//! What a container needs to know beside its spec.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::children::Children;

/// What does not differ between containers of one guest.
#[derive(Clone)]
pub struct Options {
    /// Who starts and collects processes.
    pub children: Arc<dyn Children>,
    /// Where the unified cgroup hierarchy is mounted.
    pub cgroup_root: PathBuf,
    /// How long the set-up of a process may take, hooks with a timeout of their own
    /// apart.
    pub patience: Duration,
    /// The network that containers share is their pod's, so they may set its kernel
    /// parameters without a network namespace of their own.
    pub network_is_the_pods: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Options")
            .field("cgroup_root", &self.cgroup_root)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// What holds in a guest: the hierarchy at /sys/fs/cgroup, six seconds for a
    /// process.
    #[must_use]
    pub fn new(children: Arc<dyn Children>) -> Self {
        Self {
            children,
            cgroup_root: PathBuf::from("/sys/fs/cgroup"),
            patience: Duration::from_secs(6),
            network_is_the_pods: true,
        }
    }
}
