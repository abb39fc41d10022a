//! Where a lock lies: with the recipe, unless the packages come from a mirror
//! that was made on this machine, whose packages no other machine has.

use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::mirrors::Mirrors;
use recipe::Lock;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of one lock.
#[derive(Debug, Clone)]
pub(crate) struct LockPlace {
    path: PathBuf,
    /// As errors name it.
    shown: String,
}

impl LockPlace {
    /// `DIR/<distro>/<architecture>.yaml` where the caller names a folder, else
    /// beside the record of a local mirror, else in the recipe's own folder.
    pub(crate) fn of(
        folder: &RecipeFolder,
        architecture: &str,
        locks: Option<&Path>,
        mirrors: &Mirrors,
    ) -> Self {
        let name = format!("{architecture}.yaml");
        let distro = &folder.recipe.name;
        let elsewhere = match (locks, &mirrors.locks) {
            (Some(locks), _) => Some(locks.join(distro)),
            (None, Some(locks)) => Some(locks.clone()),
            (None, None) => None,
        };
        match elsewhere {
            Some(folder) => {
                let path = folder.join(name);
                Self { shown: path.display().to_string(), path }
            }
            None => Self {
                path: folder.path.join("lock").join(&name),
                shown: format!("recipes/{distro}/lock/{name}"),
            },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file as errors name it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The lock, where there is one.
    ///
    /// # Errors
    /// A file that can't be read, or a mistake in it.
    pub(crate) fn read(
        &self,
        distro: &str,
        architecture: &str,
    ) -> Result<Option<Lock>, BuildError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(Lock::parse(&self.shown, &text, distro, architecture)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => {
                Err(BuildError::Io { action: "reading", path: self.path.clone(), source })
            }
        }
    }
}
