//! Files that appear whole or not at all: written beside their final name and
//! renamed. What an interruption leaves is removed by whoever catches it.

use crate::error::BuildError;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static PARTIAL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn partial_files() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A list of paths is right at any moment, whoever panicked.
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that no file of this process is half written; as long as it lives, none
/// is begun or given its name, and no failed build gets to say so.
#[must_use = "hold it until the process ends"]
pub struct Abandoned {
    _until_then: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Removes every partly written file of this process; for signal handlers'
/// threads, just before the process ends.
pub fn abandon_partial_files() -> Abandoned {
    let partial = partial_files();
    for path in partial.iter() {
        // The process ends anyway; what can't be removed stays.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    Abandoned { _until_then: partial }
}

/// A file under a temporary name, removed when dropped before it was published.
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Partial {
    /// Opens a temporary neighbour of `target` for writing.
    pub(crate) fn create(target: &Path) -> Result<(Self, File), BuildError> {
        let failed = |source| BuildError::output("writing", target, source);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| BuildError::output("making this folder", folder, source))?;
        }
        let path = neighbour(target, "partial");
        // Made and noted in one step, so that an interruption finds it.
        let mut partial = partial_files();
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(failed)?;
        partial.insert(path.clone());
        Ok((Self { path, target: target.to_owned(), kept: false }, file))
    }

    /// `bytes` as the whole content of what will be `target`.
    pub(crate) fn of_bytes(target: &Path, bytes: &[u8]) -> Result<Self, BuildError> {
        let (partial, mut file) = Self::create(target)?;
        file.write_all(bytes).map_err(|source| BuildError::output("writing", target, source))?;
        Ok(partial)
    }

    /// Where the bytes are until then.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn rename(&mut self, partial: &mut BTreeSet<PathBuf>) -> Result<(), BuildError> {
        fs::rename(&self.path, &self.target)
            .map_err(|source| BuildError::output("renaming", &self.target, source))?;
        partial.remove(&self.path);
        self.kept = true;
        Ok(())
    }
}

/// Gives one file its name.
pub(crate) fn publish_one(mut file: Partial) -> Result<(), BuildError> {
    file.rename(&mut partial_files())
}

/// Gives an artifact, the files that describe it and its manifest their names,
/// all whole already: whoever is interrupted is so before or after, and no
/// description of an older artifact ever stands beside a newer one. Those of
/// `stale` that are not made anew go.
pub(crate) fn publish(
    artifact: &mut Partial,
    companions: &mut [Partial],
    manifest: &mut Partial,
    stale: &[PathBuf],
) -> Result<(), BuildError> {
    let mut partial = partial_files();
    // The manifest goes first and comes last: it says that the rest is whole.
    let old = std::iter::once(&manifest.target)
        .chain(companions.iter().map(|companion| &companion.target))
        .chain(stale);
    for path in old {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(BuildError::output("replacing", path, source));
            }
            _ => {}
        }
    }
    artifact.rename(&mut partial)?;
    for companion in companions {
        companion.rename(&mut partial)?;
    }
    manifest.rename(&mut partial)
}

impl Drop for Partial {
    fn drop(&mut self) {
        let mut partial = partial_files();
        if !self.kept {
            // A failed write must not leave a half file; that it can't be
            // removed is no worse than the failure being reported already.
            let _ = fs::remove_file(&self.path);
        }
        partial.remove(&self.path);
    }
}

/// A folder under a temporary name, removed when dropped before it was published.
pub(crate) struct PartialFolder {
    path: PathBuf,
    target: PathBuf,
}

impl PartialFolder {
    /// Makes a temporary neighbour of `target`, which must not be there, be empty,
    /// or be an older one of its kind: a folder that holds `marker`.
    pub(crate) fn create(target: &Path, marker: &str) -> Result<Self, BuildError> {
        let target = std::path::absolute(target)
            .map_err(|source| BuildError::output("making this folder", target, source))?;
        let empty = fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_none());
        if target.symlink_metadata().is_ok() && !empty && !target.join(marker).is_file() {
            return Err(BuildError::InTheWay { path: target });
        }
        let path = neighbour(&target, "partial");
        // Made and noted in one step, so that an interruption finds it.
        let mut partial = partial_files();
        partial.insert(path.clone());
        let made = fs::create_dir_all(&path);
        drop(partial);
        let folder = Self { path, target };
        made.map_err(|source| BuildError::output("making this folder", &folder.target, source))?;
        Ok(folder)
    }

    /// Where it is until then.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name. Between the older one's end and this there is a moment
    /// without either, never one with half of it.
    pub(crate) fn publish(self) -> Result<(), BuildError> {
        let failed = |source| BuildError::output("replacing", &self.target, source);
        let held = partial_files();
        let old = neighbour(&self.target, "old");
        if self.target.is_dir() {
            fs::rename(&self.target, &old).map_err(failed)?;
        }
        fs::rename(&self.path, &self.target).map_err(failed)?;
        if old.is_dir() {
            fs::remove_dir_all(&old).map_err(failed)?;
        }
        drop(held);
        Ok(())
    }
}

/// A name beside `target` that nobody else uses.
fn neighbour(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    target.with_file_name(format!(".{name}.{}.{ending}", std::process::id()))
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        let mut partial = partial_files();
        // Once published, nothing is there; a failure to remove is no worse than
        // the one being reported already.
        let _ = fs::remove_dir_all(&self.path);
        partial.remove(&self.path);
    }
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

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_dropped_partial_leaves_nothing_and_published_ones_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/file");
        drop(Partial::of_bytes(&target, b"half").unwrap());
        assert_eq!(count(target.parent().unwrap()), 0);
        let manifest = target.with_file_name("manifest");
        let contents = target.with_file_name("contents");
        let stale = target.with_file_name("stale");
        fs::write(&stale, "of an older artifact").unwrap();
        for text in [b"first ", b"second"] {
            let mut one = Partial::of_bytes(&target, text).unwrap();
            let mut other = Partial::of_bytes(&manifest, text).unwrap();
            let mut beside = [Partial::of_bytes(&contents, text).unwrap()];
            publish(&mut one, &mut beside, &mut other, std::slice::from_ref(&stale)).unwrap();
            drop((one, beside, other));
            assert_eq!(fs::read(&target).unwrap(), text);
            assert_eq!(fs::read(&manifest).unwrap(), text);
            assert_eq!(fs::read(&contents).unwrap(), text);
            assert_eq!(count(target.parent().unwrap()), 3);
        }
        assert_eq!(digest_file(&target).unwrap().1, 6);
    }

    #[test]
    fn an_interruption_removes_what_is_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let partial = Partial::of_bytes(&folder.path().join("file"), b"half").unwrap();
        let abandoned = abandon_partial_files();
        assert_eq!(count(folder.path()), 0);
        // In a process that ends, nothing more happens from here on.
        drop(abandoned);
        drop(partial);
    }
}
