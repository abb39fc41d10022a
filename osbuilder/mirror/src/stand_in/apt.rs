//! An apt archive out of .debs as they are: a pool, an index for each suite and
//! the InRelease that vouches for it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::debian::{Piece, Pieces};
use super::folder_of;
use super::gnupg::ThrowAwayKey;
use crate::error::MirrorError;

/// The shape of an archive.
pub(super) struct Archive<'a> {
    pub(super) suites: &'a [String],
    pub(super) component: &'a str,
    pub(super) origin: &'a str,
}

/// When the archive says that it was made: a stand-in has no day of its own.
const DATE: &str = "Thu, 25 Apr 2024 15:10:33 UTC";

impl Archive<'_> {
    /// Writes everything below `root`; returns the number of packages.
    pub(super) fn write(
        &self,
        root: &Path,
        pieces: &Pieces,
        key: &ThrowAwayKey,
    ) -> Result<usize, MirrorError> {
        let architecture = pieces
            .all
            .iter()
            .map(|piece| piece.package.architecture.as_str())
            .find(|architecture| *architecture != "all")
            .ok_or(MirrorError::NothingLeft)?;
        for piece in &pieces.all {
            put(&root.join(location(piece)), &piece.bytes)?;
        }
        for suite in self.suites {
            let mut index = String::new();
            for piece in &pieces.all {
                if folder_of(self.suites, &piece.package.name)? == suite {
                    paragraph(&mut index, piece);
                }
            }
            let folder = root.join("dists").join(suite);
            let name = format!("{}/binary-{architecture}/Packages", self.component);
            put(&folder.join(&name), index.as_bytes())?;
            let release = format!(
                "Origin: {}\nLabel: stand-in\nSuite: {suite}\nCodename: {suite}\nDate: {DATE}\n\
                 Architectures: {architecture}\nComponents: {}\nSHA256:\n {} {} {name}\n",
                self.origin,
                self.component,
                hex::encode(Sha256::digest(&index)),
                index.len(),
            );
            let path = folder.join("Release");
            put(&path, release.as_bytes())?;
            put(&folder.join("InRelease"), &key.clear_sign(&path)?)?;
        }
        Ok(pieces.all.len())
    }
}

fn location(piece: &Piece) -> String {
    let package = &piece.package;
    format!("pool/{}_{}_{}.deb", package.name, package.version, package.architecture)
        .replace(':', "_")
}

/// The paragraph of an index: what the package says of itself, and its file.
fn paragraph(index: &mut String, piece: &Piece) {
    for (name, value) in &piece.file.control.fields {
        // A description is for people, and what is folded is one line as well.
        if !name.eq_ignore_ascii_case("Description") {
            let value = value.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
            writeln!(index, "{name}: {value}").expect("a String takes everything");
        }
    }
    let (place, digest) = (location(piece), hex::encode(Sha256::digest(&piece.bytes)));
    let size = piece.bytes.len();
    write!(index, "Filename: {place}\nSize: {size}\nSHA256: {digest}\n\n")
        .expect("a String takes everything");
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), MirrorError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(MirrorError::io(parent))?;
    }
    fs::write(path, bytes).map_err(MirrorError::io(path))
}
