//! What all containers of the guest share. Knows nothing of RPC messages.

pub mod hooks;
mod pause;

pub use pause::{Pause, pause_if_asked};

use std::fs::File;
use std::path::PathBuf;

use kata_agent_api::paths;

use crate::container::GuestHooks;
use crate::os::{Namespace, Os};
use crate::storage::Storages;

/// Folders that the agent works in. Differ only in tests.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Everything at run time.
    pub run: PathBuf,
    /// What resolvers read.
    pub resolv_conf: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { run: PathBuf::from(paths::RUN), resolv_conf: PathBuf::from("/etc/resolv.conf") }
    }
}

impl Paths {
    /// What belongs to the sandbox.
    #[must_use]
    pub fn sandbox(&self) -> PathBuf {
        self.run.join("sandbox")
    }

    /// Container files from the host.
    #[must_use]
    pub fn shared_containers(&self) -> PathBuf {
        self.run.join("shared/containers")
    }

    /// What belongs to a container: its bundle, and what is written over its root.
    #[must_use]
    pub fn container(&self, id: &str) -> PathBuf {
        self.run.join(id)
    }

    /// A namespace that the sandbox keeps.
    #[must_use]
    pub fn namespace(&self, kind: Namespace) -> PathBuf {
        self.run.join("sandbox-ns").join(kind.name())
    }
}

/// A pid namespace that containers may share.
#[derive(Debug)]
pub struct PidNamespace {
    /// The namespace, kept open.
    pub file: File,
    /// The container whose first process it lives by; none if it is the sandbox's own.
    pub container: Option<String>,
}

/// The one sandbox of a guest.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// Name that the host gave it.
    pub id: String,
    /// Storages of the sandbox and of its containers.
    pub storages: Storages,
    /// Further mounts to undo, the last one first.
    pub mounts: Vec<PathBuf>,
    /// Hooks that the guest image brings.
    pub hooks: GuestHooks,
    /// The pid namespace that containers may share: its own or, without one, its first
    /// container's.
    pub pid_namespace: Option<PidNamespace>,
    /// What keeps a pid namespace of its own.
    pub pause: Option<Pause>,
}

impl Sandbox {
    /// Undoes all mounts. Failures are logged: there is nothing else to do about
    /// them, and the guest is about to go.
    pub fn unmount_all(&mut self, os: &dyn Os) {
        while let Some(target) = self.mounts.pop() {
            if let Err(error) = os.unmount(&target, true) {
                log::warn!("can't unmount {}: {error}", target.display());
            }
        }
        self.storages.clear(os);
    }
}
