//! The folder of a mirror: how a new one takes the place of the former, at once.
//!
//! Beside the folder lie, while a rebuild runs, the new mirror and for a moment
//! the former one. Their names are fixed, so that a rebuild finds what one that
//! was interrupted left, and mends it. This file must not know what a mirror
//! holds.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::MirrorError;

/// A mirror's folder and those beside it.
#[derive(Debug)]
pub(crate) struct Place {
    out: PathBuf,
    fresh: PathBuf,
    former: PathBuf,
    /// The folder that all of them lie in, locked: two rebuilds of one mirror
    /// would delete each other's files.
    _lock: File,
}

impl Place {
    /// Waits for other rebuilds in the same folder, then puts the former mirror
    /// back where an interrupted one took it away, and clears out the rest.
    pub(crate) fn prepare(out: &Path) -> Result<Self, MirrorError> {
        let out = std::path::absolute(out).map_err(MirrorError::io(out))?;
        let bad = || MirrorError::BadName(out.display().to_string());
        let (parent, name) = (out.parent().ok_or_else(bad)?, out.file_name().ok_or_else(bad)?);
        fs::create_dir_all(parent).map_err(MirrorError::io(parent))?;
        let lock = File::open(parent).map_err(MirrorError::io(parent))?;
        match lock.lock() {
            // Some network file systems have no locks; a single rebuild needs none.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            other => other.map_err(MirrorError::io(parent))?,
        }
        let beside = |end: &str| {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(end);
            parent.join(hidden)
        };
        let (fresh, former) = (beside(".new"), beside(".old"));
        if exists(&former) && !exists(&out) {
            fs::rename(&former, &out).map_err(MirrorError::io(&out))?;
        }
        remove(&former)?;
        remove(&fresh)?;
        Ok(Self { out, fresh, former, _lock: lock })
    }

    /// Where to write the new mirror; nothing is there yet.
    pub(crate) fn fresh(&self) -> &Path {
        &self.fresh
    }

    /// Puts what was written in the place of the former mirror, which comes back
    /// where its place cannot be taken. Returns the folder's absolute path.
    pub(crate) fn publish(self) -> Result<PathBuf, MirrorError> {
        let had_one = exists(&self.out);
        if had_one {
            fs::rename(&self.out, &self.former).map_err(MirrorError::io(&self.out))?;
        }
        if let Err(error) = fs::rename(&self.fresh, &self.out) {
            // The first error is the one to tell.
            if had_one && let Err(second) = fs::rename(&self.former, &self.out) {
                tracing::warn!(%second, "the former mirror could not be put back");
            }
            return Err(MirrorError::io(&self.out)(error));
        }
        remove(&self.former)?;
        Ok(self.out.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What was not published is of no use; the next rebuild removes it else.
        let _ = remove(&self.fresh);
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn remove(path: &Path) -> Result<(), MirrorError> {
    let result = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(MirrorError::io(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in a folder, each with the text in it.
    fn listing(dir: &Path) -> Vec<(String, String)> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path.join("text")).unwrap())
        };
        let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(entry).collect();
        found.sort();
        found
    }

    fn write(folder: &Path, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("text"), text).unwrap();
    }

    fn only_out(text: &str) -> Vec<(String, String)> {
        vec![("out".to_owned(), text.to_owned())]
    }

    #[test]
    fn a_new_mirror_takes_the_place_of_the_former() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["first", "second"] {
            let place = Place::prepare(&dir.path().join("out")).unwrap();
            write(place.fresh(), text);
            assert_eq!(place.publish().unwrap(), dir.path().join("out"));
            assert_eq!(listing(dir.path()), only_out(text));
        }
    }

    #[test]
    fn what_an_interrupted_rebuild_left_is_mended() {
        let out = |dir: &Path| dir.join("out");
        // Before the renames, between them, and after both.
        for left in [&["out", ".out.new"][..], &[".out.old", ".out.new"], &["out", ".out.old"]] {
            let dir = tempfile::tempdir().unwrap();
            for name in left {
                let whole = *name == "out" || (*name == ".out.old" && !left.contains(&"out"));
                write(&dir.path().join(name), if whole { "whole" } else { "useless" });
            }
            drop(Place::prepare(&out(dir.path())).unwrap());
            assert_eq!(listing(dir.path()), only_out("whole"), "{left:?}");
        }
    }

    #[test]
    fn a_former_mirror_comes_back_where_its_place_cannot_be_taken() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("out"), "former");
        let place = Place::prepare(&dir.path().join("out")).unwrap();
        assert!(place.publish().is_err(), "nothing was written");
        assert_eq!(listing(dir.path()), only_out("former"));
    }

    #[test]
    fn a_rebuild_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::prepare(&dir.path().join("out")).unwrap();
        write(place.fresh(), "half");
        drop(place);
        assert_eq!(listing(dir.path()), []);
    }
}
