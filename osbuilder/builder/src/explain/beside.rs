//! Finding and reading what stands beside an artifact: its manifest and its
//! list of contents. It builds nothing and must not know what is asked of it.

use crate::build::file_name;
use crate::contents::{Contents, ContentsError};
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::manifest::Manifest;
use recipe::Choice;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Ending of the manifest's name.
pub const MANIFEST: &str = ".manifest.json";
/// Ending of the name of the list of contents.
pub const CONTENTS: &str = ".contents.json";

/// Most bytes of a manifest that are read: that of some 100,000 packages.
const MAX_MANIFEST: u64 = 64 << 20;

/// An artifact by what is written beside it.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The artifact.
    pub artifact: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// What is in it; none where no list stands there.
    pub contents: Option<Contents>,
}

/// Why an artifact can't be told about.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// No manifest.
    #[error(
        "there is no {}; an artifact is made, with its manifest, by `cargo xtask build-image`",
        .0.display()
    )]
    Missing(PathBuf),
    /// A file that can't be read.
    #[error("{} can't be read", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no manifest.
    #[error("{} is no manifest of this version; build the artifact again", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file that is no list of contents.
    #[error("{} can't be used", .path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContentsError,
    },
}

impl Beside {
    /// Reads what stands beside `path`: an artifact, or one of the files beside it.
    ///
    /// # Errors
    /// When there is no manifest, or something there can't be read.
    pub fn read(path: &Path) -> Result<Self, BesideError> {
        let artifact = artifact_of(path);
        let file = with_ending(&artifact, MANIFEST);
        let bytes = read(&file, MAX_MANIFEST)?.ok_or_else(|| BesideError::Missing(file.clone()))?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|source| BesideError::Manifest { path: file, source })?;
        let contents = contents(&artifact)?;
        Ok(Self { artifact, manifest, contents })
    }
}

/// The list of contents beside `path`: an artifact, or one of the files beside
/// it; `None` where there is none.
///
/// # Errors
/// When it can't be read.
pub fn contents(path: &Path) -> Result<Option<Contents>, BesideError> {
    let file = with_ending(&artifact_of(path), CONTENTS);
    let Some(bytes) = read(&file, crate::contents::MAX_BYTES as u64)? else { return Ok(None) };
    let parsed = Contents::parse(&bytes);
    parsed.map(Some).map_err(|source| BesideError::Contents { path: file, source })
}

/// Where a build of these choices would put its artifact.
///
/// # Errors
/// A recipe that can't be read, or a choice that it does not offer.
pub fn artifact_path(
    recipes: &Path,
    distro: &str,
    choice: &Choice<'_>,
    architecture: &str,
    out: &Path,
) -> Result<PathBuf, BuildError> {
    let folder = RecipeFolder::load(recipes, distro)?;
    let selection = folder.recipe.choose(choice, architecture)?;
    Ok(out.join(file_name(&folder.recipe, &selection)))
}

fn artifact_of(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str());
    let bare = name.and_then(|n| n.strip_suffix(MANIFEST).or_else(|| n.strip_suffix(CONTENTS)));
    bare.map_or_else(|| path.to_owned(), |bare| path.with_file_name(bare))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A file's bytes, `limit` and one at most; `None` where there is no file.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, BesideError> {
    let failed = |source| BesideError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large")));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_artifact_is_found_by_any_of_its_files() {
        for name in ["a/k.img", "a/k.img.manifest.json", "a/k.img.contents.json"] {
            assert_eq!(artifact_of(Path::new(name)), Path::new("a/k.img"));
        }
    }

    #[test]
    fn what_is_missing_or_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = folder.path().join("k.img");
        let refused = |path: &Path| Beside::read(path).unwrap_err().to_string();
        assert!(refused(&artifact).contains("k.img.manifest.json; an artifact is made"));
        fs::write(with_ending(&artifact, MANIFEST), "{}").unwrap();
        assert!(refused(&artifact).contains("no manifest of this version"));
        assert!(contents(&artifact).unwrap().is_none());
        fs::write(with_ending(&artifact, CONTENTS), "{}").unwrap();
        assert!(contents(&artifact).is_err());
    }
}
