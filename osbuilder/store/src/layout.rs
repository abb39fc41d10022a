//! The folders of a store and what lies where.
//!
//! `sha256/ab/ab…` holds proven files, `refs/` maps other identities to them,
//! `index/` and `derived/` hold small records, `tmp/` what is still being
//! written, `leases/` who is at it. Every file gets its final name by a rename, so that several
//! processes may share one store. This file must not know about the network.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Older files in `tmp/` that nobody holds open belong to nobody.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Large enough that system calls cost nothing beside hashing.
pub(crate) const CHUNK: usize = 256 * 1024;

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Makes the folders that are missing and clears out what stale runs left.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let layout = Self { dir: dir.to_path_buf() };
        for folder in ["", "sha256", "refs", "index", "derived", "tmp", "leases"] {
            make_dir(&if folder.is_empty() { dir.to_path_buf() } else { dir.join(folder) })?;
        }
        layout.remove_stale();
        Ok(layout)
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// One file for each open store.
    pub(crate) fn leases(&self) -> PathBuf {
        self.dir.join("leases")
    }

    /// Locked by whoever marks, replaces or removes files.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The folder of one kind of files.
    pub(crate) fn kind(&self, kind: &str) -> PathBuf {
        self.dir.join(kind)
    }

    /// Where the file with this digest lies, or would.
    pub(crate) fn blob(&self, sha256: &[u8; 32]) -> PathBuf {
        let name = hex::encode(sha256);
        self.dir.join("sha256").join(&name[..2]).join(&name)
    }

    /// A record's file: keys may hold any character, so their digest is the name.
    pub(crate) fn record(&self, kind: &str, key: &str) -> PathBuf {
        self.dir.join(kind).join(hex::encode(Sha256::digest(key.as_bytes())))
    }

    fn remove_stale(&self) {
        let Ok(entries) = fs::read_dir(self.tmp()) else { return };
        for entry in entries.flatten() {
            if entry.metadata().is_ok_and(|meta| is_stale(&meta))
                && let Some(_lock) = take_stale(&entry.path())
            {
                tracing::debug!(path = %entry.path().display(), "removing a stale temporary file");
                // Under the lock, so that nobody goes on with what is going away.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn is_stale(meta: &Metadata) -> bool {
    let age = meta.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > STALE)
}

/// The file with its lock, where nobody holds it: a long transfer keeps its lock,
/// however old its last byte is. Until the lock was had somebody may have gone on
/// with the file, which is then stale no more.
fn take_stale(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    is_stale(&file.metadata().ok()?).then_some(file)
}

/// Makes a folder, and its parents, that only its owner may enter.
pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StoreError::io(path, source))
}

/// Feeds a reader to a hasher until its end.
pub(crate) fn hash_reader(reader: &mut dyn Read, hasher: &mut Sha256) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut size: u64 = 0;
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                hasher.update(&chunk[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_are_private() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/store");
        Layout::open(&dir).unwrap();
        for folder in ["", "sha256", "tmp", "refs", "index", "derived", "leases"] {
            let mode = fs::metadata(dir.join(folder)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
    }

    #[test]
    fn only_stale_files_that_nobody_holds_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        let old = FileTimes::new().set_modified(SystemTime::now() - STALE * 2);
        let make = |name: &str, times: Option<FileTimes>| {
            let file = File::create(layout.tmp().join(name)).unwrap();
            if let Some(times) = times {
                file.set_times(times).unwrap();
            }
            file
        };
        make("stale", Some(old));
        make("fresh", None);
        let held = make("held", Some(old));
        held.lock().unwrap();
        Layout::open(temp.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(layout.tmp()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["fresh", "held"]);
    }

    #[test]
    fn a_stale_file_is_nobody_elses_until_it_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("part");
        let file = File::create(&path).unwrap();
        assert!(take_stale(&path).is_none(), "it is fresh");
        file.set_times(FileTimes::new().set_modified(SystemTime::now() - STALE * 2)).unwrap();
        let taken = take_stale(&path).unwrap();
        assert!(file.try_lock().is_err(), "its lock must be held");
        drop(taken);
        file.try_lock().unwrap();
    }

    #[test]
    fn a_digest_names_its_file() {
        let layout = Layout { dir: PathBuf::from("/s") };
        let path = layout.blob(&[0xab; 32]);
        assert_eq!(path, PathBuf::from(format!("/s/sha256/ab/{}", "ab".repeat(32))));
    }
}
