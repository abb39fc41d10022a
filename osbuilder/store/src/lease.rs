//! Who uses a store right now, so that cleaning up takes nothing from them.
//!
//! Every open store holds a lease: a locked file in `leases/` that tells since
//! when. What a store hands out is marked as used no earlier than its lease, so
//! that files used before the oldest lease are nobody's. A mark never goes
//! back, or it would undo another store's. Marks are made, and files removed,
//! under the lock of the store's `lock` file. This file must not know what is kept.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::error::StoreError;
use crate::layout::Layout;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// One open store's claim on all that it hands out.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    /// Holds the lock that shows the lease to be alive.
    _file: File,
    since: SystemTime,
}

impl Lease {
    /// `None` where nothing can be written, so that nothing can be removed either.
    pub(crate) fn take(layout: &Layout) -> Result<Option<Self>, StoreError> {
        // Nobody judges leases meanwhile, so none is seen before it is locked.
        let _guard = guard(layout)?;
        loop {
            let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = layout.leases().join(format!("{}-{unique}", process::id()));
            let file = match create(OpenOptions::new().create_new(true), &path) {
                Ok(file) => file,
                // Of a process with our number that ended, or in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) if is_read_only(&error) => return Ok(None),
                Err(error) => return Err(StoreError::io(&path, error)),
            };
            // Where there are no locks, nobody can clean up.
            let _ = file.try_lock();
            let since = file.set_modified(SystemTime::now()).and_then(|()| file.metadata());
            let since = since.and_then(|meta| meta.modified());
            let since = since.map_err(|source| StoreError::io(&path, source))?;
            return Ok(Some(Self { path, _file: file, since }));
        }
    }

    /// Marks a file as used now, and not before this lease or its last mark,
    /// whatever the clock does. Only for holders of [`guard`].
    pub(crate) fn mark(&self, file: &File) -> io::Result<()> {
        let last = file.metadata()?.modified()?;
        file.set_modified(SystemTime::now().max(self.since).max(last))
    }

    /// Marks a file that is about to take the place of the one at `path`.
    /// Only for holders of [`guard`].
    pub(crate) fn mark_successor(&self, file: &File, path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path).and_then(|meta| meta.modified()) {
            Ok(last) => file.set_modified(last)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.mark(file)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A lease that stays counts no more without its lock.
        let _ = fs::remove_file(&self.path);
    }
}

/// Keeps files from being marked or removed by others while it is held. `None`
/// where there are no locks, and so no removals.
pub(crate) fn guard(layout: &Layout) -> Result<Option<File>, StoreError> {
    let path = layout.lock();
    match create(OpenOptions::new().create(true), &path) {
        Ok(file) => Ok(patiently(|| file.lock()).is_ok().then_some(file)),
        Err(error) if is_read_only(&error) => Ok(None),
        Err(error) => Err(StoreError::io(&path, error)),
    }
}

/// As [`guard`], for those who remove files and so can't do without.
pub(crate) fn alone(layout: &Layout) -> Result<File, StoreError> {
    let path = layout.lock();
    create(OpenOptions::new().create(true), &path)
        .and_then(|file| patiently(|| file.lock()).map(|()| file))
        .map_err(|source| StoreError::io(&path, source))
}

/// Since when the longest open store is open; leases of ended processes go.
/// Only for holders of [`guard`].
pub(crate) fn oldest(layout: &Layout) -> Result<SystemTime, StoreError> {
    let folder = layout.leases();
    let failed = |source| StoreError::io(&folder, source);
    let mut oldest = SystemTime::now();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        match file.try_lock_shared() {
            Ok(()) => {
                let _ = fs::remove_file(&path);
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
                let since = file.metadata().and_then(|meta| meta.modified());
                oldest = oldest.min(since.map_err(|source| StoreError::io(&path, source))?);
            }
        }
    }
    Ok(oldest)
}

/// Removes a file whose open bytes were found bad, unless another process has
/// put a good one in its place meanwhile.
pub(crate) fn remove_damaged(layout: &Layout, file: &File, path: &Path) -> Result<(), StoreError> {
    let _guard = guard(layout)?;
    let remove = || -> io::Result<()> {
        let (bad, there) = (file.metadata()?, fs::symlink_metadata(path)?);
        if (bad.dev(), bad.ino()) == (there.dev(), there.ino()) {
            fs::remove_file(path)?;
        }
        Ok(())
    };
    match remove() {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| StoreError::io(path, source)),
    }
}

fn create(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.read(true).write(true).mode(0o600).open(path)
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// A signal may end the wait for a lock early.
fn patiently(lock: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn leases_of_the_living_count_and_those_of_the_dead_go() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        let age = |path: &Path, days: u64| {
            let time = SystemTime::now() - Duration::from_secs(days * 86400);
            File::open(path).unwrap().set_modified(time).unwrap();
            File::open(path).unwrap().metadata().unwrap().modified().unwrap()
        };
        let dead = layout.leases().join("0-0");
        fs::write(&dead, "").unwrap();
        age(&dead, 9);
        let living = Lease::take(&layout).unwrap().unwrap();
        let since = age(&living.path, 5);
        let _other = Lease::take(&layout).unwrap().unwrap();
        assert_eq!(oldest(&layout).unwrap(), since);
        assert!(!dead.exists());
        let path = living.path.clone();
        drop(living);
        assert!(!path.exists());
        assert!(oldest(&layout).unwrap() > since);
    }

    #[test]
    fn a_mark_is_never_before_its_lease_or_an_earlier_mark() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        let mut lease = Lease::take(&layout).unwrap().unwrap();
        lease.since = SystemTime::now() + Duration::from_secs(3600);
        let file = File::create(temp.path().join("file")).unwrap();
        lease.mark(&file).unwrap();
        let mark = |file: &File| file.metadata().unwrap().modified().unwrap();
        let first = mark(&file);
        assert!(first >= lease.since);
        // Another store, opened earlier, must not undo it.
        lease.since = SystemTime::UNIX_EPOCH;
        lease.mark(&file).unwrap();
        assert_eq!(mark(&file), first);
        let next = File::create(temp.path().join("next")).unwrap();
        lease.mark_successor(&next, &temp.path().join("file")).unwrap();
        assert_eq!(mark(&next), first);
        lease.mark_successor(&next, &temp.path().join("none")).unwrap();
    }

    #[test]
    fn a_good_file_in_a_bad_ones_place_stays() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        let path = temp.path().join("blob");
        fs::write(&path, "bad").unwrap();
        let bad = File::open(&path).unwrap();
        fs::write(temp.path().join("new"), "good").unwrap();
        fs::rename(temp.path().join("new"), &path).unwrap();
        remove_damaged(&layout, &bad, &path).unwrap();
        assert!(path.exists());
        remove_damaged(&layout, &File::open(&path).unwrap(), &path).unwrap();
        assert!(!path.exists());
        remove_damaged(&layout, &bad, &path).unwrap();
    }
}
