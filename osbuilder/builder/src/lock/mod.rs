//! The lock of a recipe: where it lies, how it is read, made anew and changed.
//! A build takes its packages from here and from nowhere else; only an update
//! opens the repository. It must not know how packages become a tree.

mod changes;
mod place;
mod resolve;

pub use changes::Changes;
pub(crate) use place::LockPlace;
pub(crate) use resolve::resolve;

use crate::assemble::rfc3339;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::mirrors::{self, MirrorChoice, Mirrors};
use crate::output::{Partial, publish_one};
use artifact_store::{Progress, Store};
use recipe::{Lock, LockedIndex};
use std::path::{Path, PathBuf};
use tracing::info;

/// Which lock to refresh.
#[derive(Debug, Clone)]
pub struct LockRequest<'a> {
    /// The folder `recipes/`.
    pub recipes: &'a Path,
    /// The recipe's name.
    pub distro: &'a str,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Mirrors and keys.
    pub mirrors: MirrorChoice,
    /// A folder of locks in place of the usual one.
    pub locks: Option<&'a Path>,
    /// Whether only to say what would change.
    pub check: bool,
}

/// What became of a lock.
#[derive(Debug, Clone)]
pub struct Locked {
    /// Its file.
    pub path: PathBuf,
    /// Its content.
    pub lock: Lock,
    /// What differs from the lock before; `None` where there was none.
    pub changes: Option<Changes>,
}

impl Locked {
    /// Whether the file is another one than before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changes.as_ref().is_none_or(|changes| !changes.is_empty())
    }
}

/// Reads the repository and brings the lock up to date.
///
/// # Errors
/// See [`BuildError`]; the lock is then as it was.
pub fn lock(
    request: &LockRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Locked, BuildError> {
    let folder = RecipeFolder::load(request.recipes, request.distro)?;
    // A wrong architecture is told before anything is fetched.
    folder.recipe.select(None, None, None, request.architecture)?;
    let mirrors = mirrors::choose(&folder, request.architecture, &request.mirrors)?;
    let place = LockPlace::of(&folder, request.architecture, request.locks, &mirrors);
    // A lock that can't be read may be replaced: that is what this is for.
    let known = place.read(&folder.recipe.name, request.architecture).ok().flatten();
    let open = Open { folder: &folder, architecture: request.architecture, mirrors: &mirrors };
    open.refresh(&place, known.as_ref(), !request.check, store, progress)
}

/// What a lock is made from.
pub(crate) struct Open<'a> {
    pub(crate) folder: &'a RecipeFolder,
    pub(crate) architecture: &'a str,
    pub(crate) mirrors: &'a Mirrors,
}

impl Open<'_> {
    /// The lock of today, written where that is wanted and something changed.
    pub(crate) fn refresh(
        &self,
        place: &LockPlace,
        known: Option<&Lock>,
        write: bool,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<Locked, BuildError> {
        let lock = resolve(self, place, known, store, progress)?;
        let changes = known.map(|known| Changes::between(known, &lock));
        let locked = Locked { path: place.path().to_owned(), lock, changes };
        if write && locked.changed() {
            let text = locked.lock.to_text();
            publish_one(Partial::of_bytes(place.path(), text.as_bytes())?)?;
        }
        Ok(locked)
    }
}

/// What a build may do about its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Take it as it is; make one where there is none.
    Keep,
    /// Take it as it is; there must be one.
    Require,
    /// Bring it up to date first.
    Update,
}

impl Policy {
    /// What was done about `lock`, and why.
    pub(crate) fn words(self, lock: &str, fresh: bool) -> String {
        match (self, fresh) {
            (Self::Update, _) => format!("read the repository for {lock}, as --update asks for"),
            (_, true) => format!("read the repository, as there was no {lock}"),
            (_, false) => format!("kept {lock}, no index was read"),
        }
    }

    /// What the flags of a build ask for.
    pub(crate) fn of(update: bool, locked: bool) -> Self {
        match (update, locked) {
            (true, _) => Self::Update,
            (false, true) => Self::Require,
            (false, false) => Self::Keep,
        }
    }
}

impl Open<'_> {
    /// The lock that a build goes by, and whether it was made just now.
    pub(crate) fn obtain(
        &self,
        place: &LockPlace,
        policy: Policy,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<(Lock, bool), BuildError> {
        let distro = &self.folder.recipe.name;
        let known = match place.read(distro, self.architecture) {
            // An update may replace a lock that can't be read.
            Err(_) if policy == Policy::Update => None,
            other => other?,
        };
        match (known, policy) {
            (Some(lock), Policy::Keep | Policy::Require) => Ok((lock, false)),
            (None, Policy::Require) => Err(BuildError::NoLock {
                lock: place.shown().to_owned(),
                distro: distro.clone(),
                architecture: self.architecture.to_owned(),
            }),
            (known, Policy::Keep | Policy::Update) => {
                let locked = self.refresh(place, known.as_ref(), true, store, progress)?;
                match &locked.changes {
                    None => info!(
                        "{distro}: {} is new, with {} packages; keep it with the recipe",
                        place.shown(),
                        locked.lock.packages.len()
                    ),
                    Some(changes) if changes.is_empty() => {
                        info!("{distro}: {} is up to date", place.shown());
                    }
                    Some(changes) => {
                        info!("{distro}: {} changed\n{}", place.shown(), changes.to_text());
                    }
                }
                Ok((locked.lock, true))
            }
        }
    }
}

/// Refuses indexes that are older than those of the lock: a mirror, or somebody
/// between, that offers the past again with its good signature.
pub(crate) fn refuse_rollback(
    distro: &str,
    known: &Lock,
    now: &[LockedIndex],
    file: &str,
) -> Result<(), BuildError> {
    for index in now {
        let before = known.repository.indexes.iter().find(|have| have.path == index.path);
        if let Some((old, new)) = before.and_then(|have| Some((have.date?, index.date?)))
            && new < old
        {
            return Err(BuildError::Rollback {
                distro: distro.to_owned(),
                index: index.path.clone(),
                offered: rfc3339(new),
                locked: rfc3339(old),
                lock: file.to_owned(),
            });
        }
    }
    Ok(())
}
