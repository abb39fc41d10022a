//! One look at a small folder, and bringing a copy to the same state. Knows
//! nothing of storages. Readers of the copy see each file whole, old or new, and
//! never a link whose target is not there yet.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::libc;

/// Most files, most of everything, and most bytes of what is copied.
const MOST_FILES: usize = 16;
const MOST_ENTRIES: usize = 128;
const MOST_BYTES: u64 = 1 << 20;
/// What a file is called until it is whole.
const UNFINISHED: &str = ".kata-unfinished";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum MirrorError {
    /// It is larger than what is copied.
    #[error("{0}")]
    TooLarge(String),
    /// It could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What tells one state of an entry from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Folder { mode: u32, owner: (u32, u32) },
    File { mode: u32, owner: (u32, u32), size: u64, changed: (i64, i64), inode: u64 },
    Link(PathBuf),
}

/// A state of a folder, or of one file, whose path is empty then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    fn of(source: &Path) -> Result<Self, MirrorError> {
        let mut snapshot = Self::default();
        let (mut files, mut bytes) = (0, 0_u64);
        let mut open = vec![PathBuf::new()];
        while let Some(path) = open.pop() {
            let full = join(source, &path);
            let meta = fs::symlink_metadata(&full)?;
            let entry = entry(&full, &meta)?;
            match &entry {
                Some(Entry::File { size, .. }) => {
                    files += 1;
                    bytes = bytes.saturating_add(*size);
                }
                Some(Entry::Folder { .. }) => {
                    for child in fs::read_dir(&full)? {
                        open.push(path.join(child?.file_name()));
                    }
                }
                _ => {}
            }
            if files > MOST_FILES || snapshot.entries.len() + open.len() > MOST_ENTRIES {
                return Err(MirrorError::TooLarge(format!("it has more than {MOST_FILES} files")));
            }
            if bytes > MOST_BYTES {
                return Err(MirrorError::TooLarge(format!("it has more than {MOST_BYTES} bytes")));
            }
            snapshot.entries.extend(entry.map(|entry| (path, entry)));
        }
        Ok(snapshot)
    }
}

/// Devices, pipes and sockets are nothing that a config map has.
fn entry(path: &Path, meta: &Metadata) -> io::Result<Option<Entry>> {
    let (mode, owner) = (meta.mode() & 0o7777, (meta.uid(), meta.gid()));
    let kind = meta.file_type();
    Ok(if kind.is_dir() {
        Some(Entry::Folder { mode, owner })
    } else if kind.is_symlink() {
        Some(Entry::Link(fs::read_link(path)?))
    } else if kind.is_file() {
        let changed = (meta.mtime(), meta.mtime_nsec());
        Some(Entry::File { mode, owner, size: meta.len(), changed, inode: meta.ino() })
    } else {
        None
    })
}

/// Brings `target` to the state of `source`; `old` is the state it has already.
pub(super) fn update(
    source: &Path,
    target: &Path,
    old: Option<&Snapshot>,
) -> Result<Snapshot, MirrorError> {
    let new = Snapshot::of(source)?;
    if old == Some(&new) {
        return Ok(new);
    }
    let nothing = Snapshot::default();
    let had = &old.unwrap_or(&nothing).entries;
    let changed = |path: &PathBuf, entry: &Entry| had.get(path) != Some(entry);
    // What became something else makes room first, with all that was in it.
    let replaced = |path: &Path| match (had.get(path), new.entries.get(path)) {
        (Some(old), Some(new)) => std::mem::discriminant(old) != std::mem::discriminant(new),
        _ => false,
    };
    for (path, entry) in had.iter().rev() {
        if path.ancestors().any(replaced) {
            remove(&join(target, path), entry)?;
        }
    }
    let mut links: Vec<(&PathBuf, &PathBuf)> = Vec::new();
    for (path, entry) in &new.entries {
        let full = join(target, path);
        match entry {
            Entry::Folder { mode, owner } => {
                if !full.is_dir() {
                    fs::create_dir(&full)?;
                }
                chown(&full, Some(owner.0), Some(owner.1))?;
                fs::set_permissions(&full, Permissions::from_mode(*mode))?;
            }
            Entry::File { .. } if !changed(path, entry) => {}
            // One file alone is bound into the container: its inode must stay.
            Entry::File { mode, owner, .. } if path.as_os_str().is_empty() => {
                write(&join(source, path), &full, *mode, *owner)?;
            }
            Entry::File { mode, owner, .. } => {
                let unfinished = full.with_file_name(UNFINISHED);
                write(&join(source, path), &unfinished, *mode, *owner)?;
                fs::rename(&unfinished, &full)?;
            }
            Entry::Link(to) if changed(path, entry) => links.push((path, to)),
            Entry::Link(_) => {}
        }
    }
    // After all that they may point to.
    for (path, to) in links {
        let full = join(target, path);
        let unfinished = full.with_file_name(UNFINISHED);
        let _ = fs::remove_file(&unfinished);
        symlink(to, &unfinished)?;
        let meta = fs::symlink_metadata(join(source, path))?;
        lchown(&unfinished, Some(meta.uid()), Some(meta.gid()))?;
        fs::rename(&unfinished, &full)?;
    }
    for (path, entry) in had.iter().rev() {
        let gone = path.ancestors().any(replaced);
        if !gone && !new.entries.contains_key(path) {
            remove(&join(target, path), entry)?;
        }
    }
    Ok(new)
}

/// A copy of one file, which must not grow beyond what is copied meanwhile.
fn write(from: &Path, to: &Path, mode: u32, owner: (u32, u32)) -> Result<(), MirrorError> {
    let nofollow = |options: &mut OpenOptions, path: &Path| {
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
    };
    let source: File = nofollow(OpenOptions::new().read(true), from)?;
    let mut bytes = Vec::new();
    source.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(MirrorError::TooLarge(format!("it has more than {MOST_BYTES} bytes")));
    }
    let mut target =
        nofollow(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600), to)?;
    target.write_all(&bytes)?;
    std::os::unix::fs::fchown(&target, Some(owner.0), Some(owner.1))?;
    target.set_permissions(Permissions::from_mode(mode))?;
    Ok(())
}

fn remove(path: &Path, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::Folder { .. } => fs::remove_dir(path),
        Entry::File { .. } | Entry::Link(_) => fs::remove_file(path),
    }
}

/// Joining nothing would append a slash, which a file can't have.
fn join(base: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { base.to_owned() } else { base.join(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folders {
        root: tempfile::TempDir,
    }

    impl Folders {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("from")).unwrap();
            Self { root }
        }

        fn from(&self) -> PathBuf {
            self.root.path().join("from")
        }

        fn to(&self) -> PathBuf {
            self.root.path().join("to")
        }

        fn update(&self, old: Option<&Snapshot>) -> Result<Snapshot, MirrorError> {
            update(&self.from(), &self.to(), old)
        }

        /// A new generation of a config map, as kubelet writes it.
        fn publish(&self, generation: &str, value: &str) {
            let folder = self.from().join(generation);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("key"), value).unwrap();
            let (data, link) = (self.from().join("..data"), self.from().join("..new"));
            symlink(generation, &link).unwrap();
            fs::rename(link, data).unwrap();
            let _ = symlink("..data/key", self.from().join("key"));
        }
    }

    #[test]
    fn a_config_map_changes() {
        let folders = Folders::new();
        folders.publish("..1", "one");
        let first = folders.update(None).unwrap();
        assert_eq!(fs::read_to_string(folders.to().join("key")).unwrap(), "one");
        assert_eq!(folders.update(Some(&first)).unwrap(), first);
        folders.publish("..2", "two, and longer");
        fs::remove_dir_all(folders.from().join("..1")).unwrap();
        let second = folders.update(Some(&first)).unwrap();
        assert_eq!(fs::read_to_string(folders.to().join("key")).unwrap(), "two, and longer");
        let names: Vec<_> = fs::read_dir(folders.to()).unwrap().collect();
        assert_eq!(names.len(), 3, "{names:?}");
        // A folder becomes a file.
        fs::remove_dir_all(folders.from().join("..2")).unwrap();
        fs::write(folders.from().join("..2"), "x").unwrap();
        folders.update(Some(&second)).unwrap();
        assert_eq!(fs::read_to_string(folders.to().join("..2")).unwrap(), "x");
    }

    #[test]
    fn one_file_keeps_its_inode() {
        let folders = Folders::new();
        let (from, to) = (folders.from().join("f"), folders.to());
        fs::write(&from, "one").unwrap();
        fs::set_permissions(&from, Permissions::from_mode(0o640)).unwrap();
        let first = update(&from, &to, None).unwrap();
        let inode = fs::metadata(&to).unwrap().ino();
        fs::write(&from, "two!").unwrap();
        update(&from, &to, Some(&first)).unwrap();
        let meta = fs::metadata(&to).unwrap();
        assert_eq!((meta.ino(), meta.mode() & 0o7777), (inode, 0o640));
        assert_eq!(fs::read_to_string(&to).unwrap(), "two!");
    }

    #[test]
    fn what_is_too_large_is_not_copied() {
        let folders = Folders::new();
        fs::write(folders.from().join("f"), vec![0; 1 << 20]).unwrap();
        assert!(folders.update(None).is_ok());
        fs::write(folders.from().join("g"), "x").unwrap();
        assert!(matches!(folders.update(None), Err(MirrorError::TooLarge(_))));
        let folders = Folders::new();
        for n in 0..17 {
            fs::write(folders.from().join(n.to_string()), "").unwrap();
        }
        assert!(matches!(folders.update(None), Err(MirrorError::TooLarge(_))));
        assert!(!folders.to().exists());
    }
}
