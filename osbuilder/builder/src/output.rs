//! Files that appear whole or not at all: written beside their final name and
//! renamed. What an interruption leaves is removed by whoever catches it.

use crate::error::BuildError;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

static PARTIAL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes every partly written file of this process; for signal handlers'
/// threads, just before the process ends.
pub fn abandon_partial_files() {
    if let Ok(partial) = PARTIAL.lock() {
        for path in partial.iter() {
            // The process ends anyway; a file that can't be removed stays.
            let _ = fs::remove_file(path);
        }
    }
}

/// A file under a temporary name, removed when dropped without [`Partial::keep`].
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Partial {
    /// Opens a temporary neighbour of `target` for writing.
    pub(crate) fn create(target: &Path) -> Result<(Self, File), BuildError> {
        let io = |source| BuildError::Io { action: "writing", path: target.into(), source };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let path = target.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        if let Ok(mut partial) = PARTIAL.lock() {
            partial.insert(path.clone());
        }
        let this = Self { path, target: target.to_owned(), kept: false };
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&this.path);
        Ok((this, file.map_err(io)?))
    }

    /// Gives the file its final name.
    pub(crate) fn keep(mut self) -> Result<(), BuildError> {
        fs::rename(&self.path, &self.target).map_err(|source| BuildError::Io {
            action: "renaming",
            path: self.target.clone(),
            source,
        })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // A failed write must not leave a half file; that it can't be
            // removed is no worse than the failure being reported already.
            let _ = fs::remove_file(&self.path);
        }
        if let Ok(mut partial) = PARTIAL.lock() {
            partial.remove(&self.path);
        }
    }
}

/// Writes `bytes` to `target` by way of a temporary name.
pub(crate) fn write_whole(target: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let (partial, mut file) = Partial::create(target)?;
    io::Write::write_all(&mut file, bytes)
        .map_err(|source| BuildError::Io { action: "writing", path: target.into(), source })?;
    partial.keep()
}

/// SHA-256 and size of a file, without holding it in memory.
///
/// # Errors
/// When it can't be read.
pub fn digest_file(path: &Path) -> io::Result<([u8; 32], u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize().into(), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_partial_leaves_nothing_and_a_kept_one_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/file");
        let (partial, mut file) = Partial::create(&target).unwrap();
        io::Write::write_all(&mut file, b"half").unwrap();
        drop(partial);
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);
        write_whole(&target, b"whole").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(digest_file(&target).unwrap().1, 5);
    }

    #[test]
    fn an_interruption_removes_what_is_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        let (partial, _file) = Partial::create(&target).unwrap();
        abandon_partial_files();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(partial);
    }
}
