//! All storages of a guest, by mount point, and how many use each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kata_agent_api::agent::Storage;

use super::place::mount_point;
use super::{Made, StorageError, Tools, watchable};
use crate::os::Os;

/// A storage and its users.
#[derive(Debug)]
struct Entry {
    made: Made,
    users: usize,
    /// Whether it stays when nobody uses it, for those who come later.
    shared: bool,
    /// When it was made, counted up: the last one is undone first.
    number: u64,
}

/// Storages by mount point.
#[derive(Debug, Default)]
pub struct Storages {
    entries: BTreeMap<PathBuf, Entry>,
    made: u64,
}

impl Storages {
    /// Makes a storage available, or counts one more user of what is at its mount
    /// point already.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; then nothing of it is there.
    pub async fn add(
        &mut self,
        tools: &Tools,
        storage: &Storage,
        container: Option<&str>,
    ) -> Result<PathBuf, StorageError> {
        if let Some(memory) = watchable::memory(&tools.paths, storage) {
            self.add_one(tools, &memory, None).await?;
        }
        self.add_one(tools, storage, container).await
    }

    async fn add_one(
        &mut self,
        tools: &Tools,
        storage: &Storage,
        container: Option<&str>,
    ) -> Result<PathBuf, StorageError> {
        let target = mount_point(storage)?.to_owned();
        if let Some(entry) = self.entries.get_mut(&target) {
            entry.users += 1;
            return Ok(target);
        }
        let made = tools.make(storage, container).await?;
        self.made += 1;
        let entry = Entry { made, users: 1, shared: storage.shared, number: self.made };
        self.entries.insert(target.clone(), entry);
        Ok(target)
    }

    /// As [`Storages::add`] for all of these, or for none.
    ///
    /// # Errors
    ///
    /// The first [`StorageError`].
    pub async fn add_all(
        &mut self,
        tools: &Tools,
        storages: &[Storage],
        container: Option<&str>,
    ) -> Result<Vec<PathBuf>, StorageError> {
        let mut added = Vec::with_capacity(storages.len());
        for storage in storages {
            match self.add(tools, storage, container).await {
                Ok(target) => added.push(target),
                Err(error) => {
                    self.drop_all(tools.os.as_ref(), &added);
                    return Err(error);
                }
            }
        }
        Ok(added)
    }

    /// One user less of each; what nobody uses and nobody shares is undone.
    pub fn drop_all(&mut self, os: &dyn Os, targets: &[PathBuf]) {
        for target in targets.iter().rev() {
            let Some(entry) = self.entries.get_mut(target) else { continue };
            entry.users = entry.users.saturating_sub(1);
            if entry.users == 0
                && !entry.shared
                && let Some(entry) = self.entries.remove(target)
            {
                undo(os, target, &entry.made);
            }
        }
    }

    /// Undoes everything, the last one first.
    pub fn clear(&mut self, os: &dyn Os) {
        let mut entries: Vec<_> = std::mem::take(&mut self.entries).into_iter().collect();
        entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.number));
        for (target, entry) in entries {
            undo(os, &target, &entry.made);
        }
    }

    /// How many use the storage at `target`.
    #[must_use]
    pub fn users(&self, target: &Path) -> usize {
        self.entries.get(target).map_or(0, |entry| entry.users)
    }
}

/// Failures are logged: there is nothing else to do about them.
fn undo(os: &dyn Os, target: &Path, made: &Made) {
    if let Some(watcher) = &made.watcher {
        watcher.stop();
    }
    if made.mounted
        && let Err(error) = os.unmount(target, true)
    {
        log::warn!("can't unmount {}: {error}", target.display());
    }
    if made.own_folder
        && let Err(error) = os.remove_if_empty(target)
    {
        log::warn!("can't remove {}: {error}", target.display());
    }
    for folder in made.folders.iter().rev() {
        if let Err(error) = os.remove_tree(folder) {
            log::warn!("can't remove {}: {error}", folder.display());
        }
    }
}
