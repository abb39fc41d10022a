//! A file on its way into the store.
//!
//! It lies in `tmp/`, is hashed while it grows and is locked by its writer.
//! What an interrupted process left behind is taken over by the next one that
//! wants the same identity. It must not know where bytes come from.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::layout::{Layout, hash_reader, make_dir};
use crate::lease::{self, Lease};
use crate::request::Blob;
use crate::transfer::Sink;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A temporary file with the digest of what it holds so far.
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    hasher: Sha256,
    position: u64,
}

impl Part {
    /// Takes over what was left for this identity, or starts an empty file.
    /// What is longer than `limit` is of no use and starts over.
    pub(crate) fn open(layout: &Layout, identity: &str, limit: u64) -> Result<Self, StoreError> {
        let tmp = layout.tmp();
        let prefix = format!("{identity}-");
        if let Ok(entries) = fs::read_dir(&tmp) {
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(&prefix)
                    && let Some(part) = Self::take_over(&entry.path(), limit)
                {
                    return Ok(part);
                }
            }
        }
        loop {
            let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = tmp.join(format!("{prefix}{}-{unique}.part", process::id()));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(|source| StoreError::io(&path, source))?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                // Another process is just looking whether the file is of use to
                // it, which it is not while it is empty; it may be removed.
                let _ = fs::remove_file(&path);
                continue;
            }
            // Without locks (some network file systems) parts are merely not shared.
            return Ok(Self { file, path, hasher: Sha256::new(), position: 0 });
        }
    }

    /// `None` where another process writes it, finished it or took it first.
    fn take_over(path: &Path, limit: u64) -> Option<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        file.try_lock().ok()?;
        let (here, there) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
        let same = (here.dev(), here.ino()) == (there.dev(), there.ino());
        if !same || here.len() == 0 || here.len() > limit {
            return None;
        }
        let mut hasher = Sha256::new();
        let position = hash_reader(&mut file, &mut hasher).ok()?;
        Some(Self { file, path: path.to_path_buf(), hasher, position })
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// All bytes so far, for a check that is not a digest of the file.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|source| StoreError::io(&self.path, source))?;
        Ok(bytes)
    }

    /// Moves the proven file to its place.
    pub(crate) fn keep(self, layout: &Layout, lease: Option<&Lease>) -> Result<Blob, StoreError> {
        let sha256 = self.digest();
        let path = layout.blob(&sha256);
        if let Some(folder) = path.parent() {
            make_dir(folder)?;
        }
        // Nobody marks or removes a file of that name while this one takes its place.
        let _guard = lease::guard(layout)?;
        self.file
            .set_permissions(Permissions::from_mode(0o400))
            .and_then(|()| lease.map_or(Ok(()), |lease| lease.mark_successor(&self.file, &path)))
            .and_then(|()| fs::rename(&self.path, &path))
            .map_err(|source| StoreError::io(&path, source))?;
        Ok(Blob { sha256, size: self.position, served_by: None, path })
    }
}

impl Sink for Part {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn proven_later(&self) -> bool {
        true
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Sha256::new();
        self.position = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.position))?;
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // What a later attempt can go on with stays; after `keep` the name is gone.
        if self.position == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        (temp, layout)
    }

    #[test]
    fn a_part_is_taken_over_once_its_writer_is_gone() {
        let (_temp, layout) = layout();
        let mut first = Part::open(&layout, "id", 100).unwrap();
        first.write(b"hello ").unwrap();
        let second = Part::open(&layout, "id", 100).unwrap();
        assert_eq!(second.position(), 0, "a part in use is nobody else's");
        drop((first, second));
        let mut third = Part::open(&layout, "id", 100).unwrap();
        assert_eq!(third.position(), 6);
        third.write(b"world").unwrap();
        assert_eq!(third.bytes().unwrap(), b"hello world");
        let blob = third.keep(&layout, None).unwrap();
        assert_eq!(blob.sha256, <[u8; 32]>::from(Sha256::digest(b"hello world")));
        assert_eq!(blob.read().unwrap(), b"hello world");
        assert_eq!(fs::read_dir(layout.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn another_identity_and_an_overlong_part_start_empty() {
        let (_temp, layout) = layout();
        Part::open(&layout, "id", 100).unwrap().write(b"hello").unwrap();
        assert_eq!(Part::open(&layout, "other", 100).unwrap().position(), 0);
        assert_eq!(Part::open(&layout, "id", 4).unwrap().position(), 0);
    }

    #[test]
    fn starting_over_forgets_everything() {
        let (_temp, layout) = layout();
        let mut part = Part::open(&layout, "id", 100).unwrap();
        part.write(b"wrong").unwrap();
        part.restart().unwrap();
        part.write(b"right").unwrap();
        assert_eq!(part.digest(), <[u8; 32]>::from(Sha256::digest(b"right")));
        part.restart().unwrap();
        drop(part);
        assert_eq!(fs::read_dir(layout.tmp()).unwrap().count(), 0);
    }
}
