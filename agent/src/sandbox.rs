//! What all containers of the guest share, and the storages that belong to it.
//! Knows nothing of RPC messages but the storage description.

use std::io;
use std::path::{Component, Path, PathBuf};

use kata_agent_api::agent::Storage;
use kata_agent_api::paths;

use crate::os::{Mount, Os};

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
}

/// Storage drivers that work, in alphabetical order.
pub const STORAGE_DRIVERS: [&str; 2] = ["ephemeral", "local"];

/// The one sandbox of a guest.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// Name that the host gave it.
    pub id: String,
    /// Mounts to undo, the last one first.
    pub mounts: Vec<PathBuf>,
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
    }
}

/// Why a storage is not there.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The driver is known elsewhere, or nowhere.
    #[error("storage driver {0:?} is not implemented; there are ephemeral and local")]
    Driver(String),
    /// An ephemeral storage that is no tmpfs.
    #[error("ephemeral storage of type {0:?} is not implemented; there is tmpfs")]
    Type(String),
    /// The mount point is not a plain absolute path.
    #[error("the mount point {0:?} is not a plain absolute path")]
    MountPoint(String),
    /// An option that can't be read.
    #[error("the storage option {0:?} is not valid")]
    Option(String),
    /// The operating system refused.
    #[error("can't prepare the storage on {target}: {source}")]
    Refused {
        /// Where.
        target: String,
        /// Why.
        source: io::Error,
    },
}

/// Makes a storage available. Returns the mount to undo later, if there is one.
///
/// # Errors
///
/// [`StorageError`].
pub fn add_storage(os: &dyn Os, storage: &Storage) -> Result<Option<PathBuf>, StorageError> {
    let driver = storage.driver.as_str();
    if !STORAGE_DRIVERS.contains(&driver) {
        return Err(StorageError::Driver(driver.to_owned()));
    }
    let target = plain_path(&storage.mount_point)
        .ok_or_else(|| StorageError::MountPoint(storage.mount_point.clone()))?;
    let mut mode = None;
    let mut group = storage.fs_group.as_ref().map(|group| group.group_id);
    let mut options = Vec::new();
    for option in &storage.options {
        let wrong = |_| StorageError::Option(option.clone());
        match option.split_once('=') {
            Some(("fsgid", value)) => group = Some(value.parse().map_err(wrong)?),
            Some(("mode", value)) if driver == "local" => {
                mode = Some(u32::from_str_radix(value, 8).map_err(wrong)? & 0o7777);
            }
            _ => options.push(option.as_str()),
        }
    }
    let refused = |source| StorageError::Refused { target: storage.mount_point.clone(), source };
    os.make_dir(target, 0o755).map_err(refused)?;
    if let Some(mode) = mode {
        os.set_mode(target, mode).map_err(refused)?;
    }
    let mut undo = None;
    if driver == "ephemeral" {
        if storage.fstype != "tmpfs" {
            return Err(StorageError::Type(storage.fstype.clone()));
        }
        let source = if storage.source.is_empty() { "tmpfs" } else { &storage.source };
        let options = options.join(",");
        os.mount(&Mount { source, target, fstype: "tmpfs", options: &options }).map_err(refused)?;
        undo = Some(target.to_owned());
    }
    if let Some(group) = group
        && let Err(source) = os.set_group(target, group)
    {
        if let Some(target) = &undo {
            let _ = os.unmount(target, true);
        }
        return Err(refused(source));
    }
    Ok(undo)
}

/// An absolute path without `.` or `..`.
fn plain_path(text: &str) -> Option<&Path> {
    let path = Path::new(text);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && plain && path.parent().is_some()).then_some(path)
}

#[cfg(test)]
mod tests;
