//! Rpm repositories out of the files of .debs: unpacked, packed by rpmbuild under
//! other names, signed, and indexed by createrepo_c, whose index is signed too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::debian::{Piece, Pieces};
use super::gnupg::ThrowAwayKey;
use super::names;
use super::programs::run;
use super::spec::Spec;
use super::{StandInOptions, folder_of};
use crate::error::MirrorError;

/// What no guest has; left out here already, since rpmbuild looks at every file.
const LEFT_OUT: [&str; 5] =
    ["usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/lintian"];
/// What of Debian's base-files is the same everywhere.
const KEPT_OF_BASE_FILES: [&str; 2] = ["usr/lib/os-release", "etc/os-release"];

/// The shape of a mirror.
pub(super) struct Mirror<'a> {
    pub(super) folders: &'a [String],
    pub(super) architecture: &'a str,
    pub(super) aliases: &'a [(String, String)],
}

impl Mirror<'_> {
    /// Writes everything below `root`; returns the number of packages.
    pub(super) fn write(
        &self,
        root: &Path,
        options: &StandInOptions<'_>,
        pieces: &Pieces,
        key: &ThrowAwayKey,
    ) -> Result<usize, MirrorError> {
        let work = tempfile::tempdir().map_err(MirrorError::io(&std::env::temp_dir()))?;
        let mut made: Vec<(String, PathBuf)> = Vec::new();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let asked: BTreeSet<&String> = options.packages.iter().chain(options.without).collect();
        for &name in &asked {
            let debian = names::debian_names(name);
            let parts: Vec<&Piece> = debian.iter().filter_map(|name| pieces.find(name)).collect();
            used.extend(parts.iter().map(|piece| piece.package.name.as_str()));
            made.push((name.clone(), self.pack(name, &parts, &asked, (work.path(), key))?));
        }
        // What those need goes by Debian's own names.
        for piece in &pieces.all {
            let name = &piece.package.name;
            if !used.contains(name.as_str()) {
                made.push((name.clone(), self.pack(name, &[piece], &asked, (work.path(), key))?));
            }
        }
        let files: Vec<PathBuf> = made.iter().map(|(_, path)| path.clone()).collect();
        key.sign_packages(&files)?;
        for folder in self.folders {
            let packages = root.join(folder).join("Packages");
            fs::create_dir_all(&packages).map_err(MirrorError::io(&packages))?;
        }
        for (name, path) in &made {
            let folder = root.join(folder_of(self.folders, name)?).join("Packages");
            let target = folder.join(path.file_name().unwrap_or_default());
            fs::copy(path, &target).map_err(MirrorError::io(&target))?;
        }
        for folder in self.folders {
            let folder = root.join(folder);
            let words = ["--quiet", "--no-database", "--simple-md-filenames"].map(OsString::from);
            let all = words.into_iter().chain([folder.clone().into()]);
            run("createrepo_c", all, &key.home())?;
            key.sign_beside(&folder.join("repodata/repomd.xml"))?;
        }
        Ok(made.len())
    }

    /// Packs some packages of Debian as one; returns the file.
    fn pack(
        &self,
        name: &str,
        pieces: &[&Piece],
        asked: &BTreeSet<&String>,
        (work, key): (&Path, &ThrowAwayKey),
    ) -> Result<PathBuf, MirrorError> {
        let first = pieces.first().ok_or(MirrorError::NothingLeft)?;
        let top = work.join(name);
        let tree = top.join("tree");
        fs::create_dir_all(&tree).map_err(MirrorError::io(&tree))?;
        for piece in pieces {
            unpack(piece, &tree)?;
        }
        // The distro has what Debian keeps in two folders in one.
        for (alias, target) in self.aliases {
            move_into(&tree.join(alias), &tree.join(target))?;
        }
        let known = names::find(name);
        for (link, target) in known.map_or(&[][..], |known| known.links) {
            put_link(&tree.join(link), target)?;
        }
        if name == "filesystem" {
            for (alias, target) in self.aliases {
                let up = "../".repeat(alias.matches('/').count());
                put_link(&tree.join(alias), &format!("{up}{target}"))?;
            }
        }
        // What a name that the recipe never speaks of would need is not here.
        let needed = |word: &str| word.starts_with('(') || asked.iter().any(|name| *name == word);
        let spec = Spec {
            name: name.to_owned(),
            version: first.package.version.clone(),
            made_of: pieces.iter().map(|piece| piece.package.name.clone()).collect(),
            noarch: pieces.iter().all(|piece| piece.package.architecture == "all"),
            provides: known.map_or_else(Vec::new, |known| list(known.provides, |_| true)),
            requires: known.map_or_else(Vec::new, |known| list(known.requires, needed)),
            tree: tree.display().to_string(),
            top: entries(&tree)?,
        };
        let path = top.join("package.spec");
        fs::write(&path, spec.text()).map_err(MirrorError::io(&path))?;
        let out = top.join("out");
        let define = |name: &str, value: &Path| {
            [OsString::from("--define"), format!("{name} {}", value.display()).into()]
        };
        let mut words: Vec<OsString> = vec!["-bb".into(), "--quiet".into(), "--target".into()];
        words.push(format!("{}-linux", self.architecture).into());
        for (name, folder) in [
            ("_topdir", top.join("build")),
            ("_dbpath", top.join("database")),
            ("_tmppath", top.join("tmp")),
            ("_rpmdir", out.clone()),
        ] {
            words.extend(define(name, &folder));
        }
        words.push(path.into());
        fs::create_dir_all(top.join("tmp")).map_err(MirrorError::io(&top))?;
        run("rpmbuild", words, &key.home())?;
        let folder = entries(&out)?.first().map(|name| out.join(name));
        let folder = folder.ok_or(MirrorError::NothingLeft)?;
        let file = entries(&folder)?.first().map(|name| folder.join(name));
        file.ok_or(MirrorError::NothingLeft)
    }
}

/// Puts a package's files into `tree`, as they are in it but for their owners.
fn unpack(piece: &Piece, tree: &Path) -> Result<(), MirrorError> {
    let damaged = |error| MirrorError::io(Path::new(&piece.package.location))(error);
    let mut archive = tar::Archive::new(piece.file.data_tar.as_slice());
    archive.set_preserve_permissions(true);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?;
        let name = path.to_string_lossy().trim_start_matches("./").trim_matches('/').to_owned();
        let kept =
            piece.package.name != "base-files" || KEPT_OF_BASE_FILES.contains(&name.as_str());
        if name.is_empty() || LEFT_OUT.iter().any(|folder| lies_in(&name, folder)) || !kept {
            continue;
        }
        // What lies in a folder that was left out does not make it again.
        entry.unpack_in(tree).map_err(damaged)?;
    }
    Ok(())
}

/// Moves what is in the folder `from`, if there is one, into `to`; what is there
/// already stays.
fn move_into(from: &Path, to: &Path) -> Result<(), MirrorError> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    if !is_folder(from) {
        return Ok(());
    }
    fs::create_dir_all(to).map_err(MirrorError::io(to))?;
    for name in entries(from)? {
        let (old, new) = (from.join(&name), to.join(&name));
        if is_folder(&old) && is_folder(&new) {
            move_into(&old, &new)?;
        } else if new.symlink_metadata().is_err() {
            fs::rename(&old, &new).map_err(MirrorError::io(&new))?;
        }
    }
    fs::remove_dir_all(from).map_err(MirrorError::io(from))
}

/// Those of some words that are wanted.
fn list(words: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    words.iter().filter(|word| wanted(word)).map(|&word| word.to_owned()).collect()
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn put_link(path: &Path, target: &str) -> Result<(), MirrorError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(MirrorError::io(parent))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MirrorError::io(path)(error))
        }
        _ => symlink(target, path).map_err(MirrorError::io(path)),
    }
}

/// Names in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<String>, MirrorError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(MirrorError::io(folder))? {
        let name = entry.map_err(MirrorError::io(folder))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
