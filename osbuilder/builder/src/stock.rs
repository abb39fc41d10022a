//! Having every locked package before it is needed: in the store (`fetch`), or
//! in a folder that serves as a mirror on a machine without a network
//! (`vendor`). Nothing is unpacked or built here.

use crate::chosen::Chosen;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::lock::{LockPlace, Open, Policy};
use crate::mirrors::{self, MirrorChoice};
use crate::output::{Partial, publish_one};
use artifact_store::{Blob, Progress, Store};
use std::path::{Path, PathBuf};

/// Whose packages are wanted.
#[derive(Debug, Clone)]
pub struct StockRequest<'a> {
    /// The folder `recipes/`.
    pub recipes: &'a Path,
    /// The recipe's name.
    pub distro: &'a str,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Mirrors and keys.
    pub mirrors: MirrorChoice,
    /// A folder of locks in place of the usual ones.
    pub locks: Option<&'a Path>,
    /// Whether a missing lock is an error, and not made.
    pub locked: bool,
}

/// Packages that the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// How many.
    pub packages: usize,
    /// Bytes of their files.
    pub bytes: u64,
}

/// A folder that serves as a mirror.
#[derive(Debug, Clone)]
pub struct Vendored {
    /// What it holds.
    pub stock: Stock,
    /// The lock that goes with it, below the folder.
    pub lock: PathBuf,
}

/// Puts every package of a recipe's lock into the store.
///
/// # Errors
/// As a build's until its packages are fetched.
pub fn fetch(
    request: &StockRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Stock, BuildError> {
    Ok(hold(request, store, progress)?.stock())
}

/// Copies every package of a recipe's lock, and the lock, below `out`: packages
/// where a mirror has them, the lock in `locks/<distro>/<architecture>.yaml`.
/// What is there already stays; several recipes and architectures may share a
/// folder.
///
/// # Errors
/// As [`fetch`], and where `out` can't be written.
pub fn vendor(
    request: &StockRequest<'_>,
    out: &Path,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Vendored, BuildError> {
    let held = hold(request, store, progress)?;
    for (location, blob) in held.locations.iter().zip(&held.blobs) {
        let target = out.join(location);
        let bytes = blob.read().map_err(|error| BuildError::fetch(request.distro, error))?;
        // Written whole or not at all, so that what is there may be trusted to
        // be whole; builds check digests anyway.
        if std::fs::metadata(&target).map_or(0, |file| file.len()) != blob.size {
            publish_one(Partial::of_bytes(&target, &bytes)?)?;
        }
    }
    let lock =
        out.join("locks").join(request.distro).join(format!("{}.yaml", request.architecture));
    publish_one(Partial::of_bytes(&lock, held.lock.as_bytes())?)?;
    Ok(Vendored { stock: held.stock(), lock })
}

/// Locked packages in the store.
struct Held {
    /// Text of the lock.
    lock: String,
    /// Paths below a mirror.
    locations: Vec<String>,
    blobs: Vec<Blob>,
}

impl Held {
    fn stock(&self) -> Stock {
        let bytes = self.blobs.iter().map(|blob| blob.size).sum();
        Stock { packages: self.blobs.len(), bytes }
    }
}

fn hold(
    request: &StockRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Held, BuildError> {
    let folder = RecipeFolder::load(request.recipes, request.distro)?;
    folder.recipe.select(None, None, None, request.architecture)?;
    let mirrors = mirrors::choose(&folder, request.architecture, &request.mirrors)?;
    let place = LockPlace::of(&folder, request.architecture, request.locks, &mirrors);
    let open = Open { folder: &folder, architecture: request.architecture, mirrors: &mirrors };
    let policy = if request.locked { Policy::Require } else { Policy::Keep };
    let (lock, fresh) = open.obtain(&place, policy, store, progress)?;
    let chosen = Chosen::whole(&lock, &place, &folder, &mirrors);
    let blobs = chosen.fetch(fresh, store, progress)?;
    let locations = lock.packages.iter().map(|package| package.location.clone()).collect();
    Ok(Held { lock: lock.to_text(), locations, blobs })
}
