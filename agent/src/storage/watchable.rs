//! `watchable-bind`: small folders of the host that change, such as config maps.
//! The host's changes to a shared folder wake nobody in the guest, so a copy is
//! kept in memory, where they do, and compared every other second. What is too
//! large for that is bound as it is.

mod mirror;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kata_agent_api::agent::Storage;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use super::place::mount_point;
use super::{Made, StorageError, Tools, bind};
use crate::plain_path::plain_path;
use crate::sandbox::Paths;
use mirror::{MirrorError, Snapshot};

const DRIVER: &str = "watchable-bind";
const PERIOD: Duration = Duration::from_secs(2);

/// What takes the copies: they belong to the guest, and the folder they are in is the
/// host's. It stays, once there is one; none is due for a copy that is elsewhere.
pub(super) fn memory(paths: &Paths, storage: &Storage) -> Option<Storage> {
    let folder = paths.shared_containers().join("watchable");
    let inside = storage.driver == DRIVER && Path::new(&storage.mount_point).starts_with(&folder);
    inside.then(|| Storage {
        driver: "ephemeral".to_owned(),
        fstype: "tmpfs".to_owned(),
        options: ["nosuid", "nodev", "mode=0755"].map(str::to_owned).to_vec(),
        mount_point: folder.display().to_string(),
        shared: true,
        ..Storage::default()
    })
}

/// Keeps a copy up to date until it is stopped or goes.
#[derive(Debug)]
pub(super) struct Watcher {
    task: AbortHandle,
}

impl Watcher {
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) async fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let Some(source) = plain_path(&storage.source).map(Path::to_owned) else {
        return Err(StorageError::Source {
            driver: storage.driver.clone(),
            source_text: storage.source.clone(),
            why: "it is not a plain absolute path".to_owned(),
        });
    };
    let target = mount_point(storage)?.to_owned();
    if let Some(parent) = target.parent() {
        tools
            .os
            .make_dir(parent, 0o755)
            .map_err(StorageError::refused(parent.display().to_string()))?;
    }
    let (from, to) = (source.clone(), target.clone());
    let first = tokio::task::spawn_blocking(move || mirror::update(&from, &to, None)).await;
    match first.unwrap_or_else(|error| Err(MirrorError::Io(std::io::Error::other(error)))) {
        Ok(snapshot) => {
            let task = tokio::spawn(watch(source, target.clone(), snapshot)).abort_handle();
            let folders = vec![target];
            Ok(Made { folders, watcher: Some(Watcher { task }), ..Made::default() })
        }
        Err(MirrorError::TooLarge(why)) => {
            log::info!("{} is bound and not copied: {why}", source.display());
            bind::make(tools, storage).await
        }
        Err(MirrorError::Io(error)) => Err(StorageError::refused(storage.source.clone())(error)),
    }
}

async fn watch(source: PathBuf, target: PathBuf, mut snapshot: Snapshot) {
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complained = false;
    loop {
        clock.tick().await;
        let (from, to, old) = (source.clone(), target.clone(), snapshot.clone());
        let updated =
            tokio::task::spawn_blocking(move || mirror::update(&from, &to, Some(&old))).await;
        match updated {
            Ok(Ok(new)) => {
                snapshot = new;
                complained = false;
            }
            Ok(Err(error)) if !complained => {
                log::warn!("the copy of {} is old: {error}", source.display());
                complained = true;
            }
            Ok(Err(_)) => {}
            // The blocking work panicked or the runtime ends.
            Err(_) => return,
        }
    }
}
