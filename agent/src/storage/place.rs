//! Putting a filesystem in its place: the mount point, the mount itself and the
//! group that it belongs to. What all drivers share.

use std::path::Path;
use std::sync::Arc;

use kata_agent_api::agent::Storage;
use kata_agent_api::types::FSGroupChangePolicy;

use super::{StorageError, Tools};
use crate::os::{Mount, Os, VolumeGroup};
use crate::plain_path::plain_path;

/// Folders on the way to a mount point.
const FOLDER_MODE: u32 = 0o755;

/// An absolute path without `.` or `..`.
pub(super) fn mount_point(storage: &Storage) -> Result<&Path, StorageError> {
    plain_path(&storage.mount_point)
        .ok_or_else(|| StorageError::MountPoint(storage.mount_point.clone()))
}

/// A mount with all its words, to be made in the background: a filesystem of the
/// host's may take its time.
pub(super) struct Placed {
    pub(super) source: String,
    pub(super) fstype: String,
    pub(super) options: Vec<String>,
}

impl Tools {
    /// Makes the mount point, a folder, and mounts there; hands the filesystem to its
    /// group. All of it or nothing.
    pub(super) async fn place(
        &self,
        storage: &Storage,
        placed: Placed,
    ) -> Result<(), StorageError> {
        let target = mount_point(storage)?;
        self.os.make_dir(target, FOLDER_MODE).map_err(refused(target))?;
        self.mount_at(target, placed).await?;
        if let Err(error) = self.give_to_group(storage).await {
            let _ = self.os.unmount(target, true);
            return Err(error);
        }
        Ok(())
    }

    /// Mounts on what is there already.
    pub(super) async fn mount_at(&self, target: &Path, placed: Placed) -> Result<(), StorageError> {
        let (os, place) = (Arc::clone(&self.os), target.to_owned());
        let mounted = tokio::task::spawn_blocking(move || {
            let options = placed.options.join(",");
            let (source, fstype) = (placed.source.as_str(), placed.fstype.as_str());
            os.mount(&Mount { source, target: &place, fstype, options: &options })
        });
        let outcome = mounted.await.map_err(std::io::Error::other).flatten();
        outcome.map_err(refused(target))
    }

    /// Hands all files of a storage to its group, where it has one.
    pub(super) async fn give_to_group(&self, storage: &Storage) -> Result<(), StorageError> {
        let Some(group) = storage.fs_group.as_ref() else { return Ok(()) };
        let target = mount_point(storage)?;
        let policy = group.group_change_policy.enum_value_or_default();
        let volume = VolumeGroup {
            path: target.to_owned(),
            group: group.group_id,
            read_only: storage.options.iter().any(|option| option == "ro"),
            only_on_mismatch: policy == FSGroupChangePolicy::OnRootMismatch,
        };
        let os = Arc::clone(&self.os);
        let given = tokio::task::spawn_blocking(move || os.give_volume(&volume));
        let outcome = given.await.map_err(std::io::Error::other).flatten();
        outcome.map_err(refused(target))
    }
}

/// The value of an option `NAME=VALUE`, in base `radix`.
pub(super) fn number(option: &str, value: &str, radix: u32) -> Result<u32, StorageError> {
    u32::from_str_radix(value, radix)
        .map_err(|_| StorageError::option(option, format!("a number in base {radix} is due")))
}

fn refused(target: &Path) -> impl FnOnce(std::io::Error) -> StorageError {
    StorageError::refused(target.display().to_string())
}

/// Takes the option `fsgid=NUMBER` out, which drivers in memory have in place of a
/// group of the storage.
pub(super) fn take_group(options: &mut Vec<String>) -> Result<Option<u32>, StorageError> {
    let mut group = None;
    let mut problem = None;
    options.retain(|option| {
        let Some(value) = option.strip_prefix("fsgid=") else { return true };
        match number(option, value, 10) {
            Ok(number) => group = Some(number),
            Err(error) => problem = Some(error),
        }
        false
    });
    problem.map_or(Ok(group), Err)
}

/// Gives a fresh folder, or the root of a fresh filesystem, to a group.
pub(super) fn set_group(
    os: &dyn Os,
    target: &Path,
    group: Option<u32>,
) -> Result<(), StorageError> {
    group.map_or(Ok(()), |group| os.set_group(target, group)).map_err(refused(target))
}
