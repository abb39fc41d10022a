//! The repository of a recipe: opening it and choosing from it. Hides which
//! family a distro belongs to from whoever makes a lock.

use crate::error::{BuildError, mirror_hint};
use crate::folder::RecipeFolder;
use crate::mirrors::{MirrorChoice, Mirrors};
use crate::rpm_source;
use artifact_store::{Expect, Progress, Request, Store};
use recipe::{RepositorySource, Selection};
use repository::deb::DebSource;
use repository::openpgp::{Keyring, KeyringError};
use repository::solve::{Exceptions, Selected, SolveError, Wanted, solve};
use repository::{Family, Index, Package, Provide, Relation, apk, deb, rpm};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A repository whose index is verified.
pub(crate) struct Opened {
    pub(crate) index: Index,
    /// Tells this repository from others of the same packages: its index and the
    /// keys that were trusted with it.
    identity: String,
}

/// Chooses the packages that the selection asks for, in name order.
pub(crate) fn choose(
    opened: &Opened,
    folder: &RecipeFolder,
    selection: &Selection,
) -> Result<Vec<Selected>, BuildError> {
    let index = &opened.index;
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in &selection.layer.packages {
        if !wanted.iter().any(|have| have.relation.name == *name) {
            let relation = Relation::any(name.as_str());
            let why = format!("asked for by {}", folder.file);
            wanted.push(Wanted { relation, why });
        }
    }
    let without = &selection.layer.without;
    for name in without {
        let known = |p: &Package| p.name == *name || p.provides.iter().any(|q| q.name == *name);
        if !index.packages.iter().any(known) {
            let message = format!("`without` names `{name}`, which {} lacks", index.description);
            let near = index.packages.iter().map(|p| p.name.as_str());
            return Err(folder.problem_at_word(name, message, near).into());
        }
    }
    let exceptions = Exceptions {
        exclude: without.clone(),
        assume: without.iter().map(|name| assumed(&index.packages, name)).collect(),
    };
    match solve(&index.packages, &wanted, &exceptions) {
        Ok(mut selected) => {
            selected
                .sort_by(|a, b| index.packages[a.index].name.cmp(&index.packages[b.index].name));
            Ok(selected)
        }
        Err(SolveError::NotFound { name, nearest, .. })
            if selection.layer.packages.contains(&name) =>
        {
            let message = format!("no package `{name}` in {}", index.description);
            let near = nearest.iter().map(String::as_str);
            Err(folder.problem_at_word(&name, message, near).into())
        }
        Err(error) => {
            Err(BuildError::Solve { distro: folder.recipe.name.clone(), source: Box::new(error) })
        }
    }
}

/// Opens the repository of `folder` for the architecture of `selection`.
pub(crate) fn open(
    folder: &RecipeFolder,
    selection: &Selection,
    mirrors: &Mirrors,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Opened, BuildError> {
    let distro = &folder.recipe.name;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>, hint: String| {
        BuildError::Repository { distro: distro.clone(), hint, source }
    };
    let index = match &folder.recipe.repository {
        RepositorySource::Apt(apt) => {
            let source = deb_source(folder, &selection.package_architecture, mirrors)?;
            deb::open_suites(store, &source, &apt.updates, progress).map_err(|error| match error {
                // That the repository can't be opened is said once.
                deb::RepositoryError::Fetch { source, .. } => {
                    let hint = mirror_hint(&source).to_owned();
                    failed(Box::new(source), hint)
                }
                error => failed(Box::new(error), String::new()),
            })
        }
        RepositorySource::Apk(source) => {
            for (key, place) in mirrors.keys.iter().zip(&mirrors.key_places) {
                apk::Keys::new([key.clone()]).map_err(|error| bad_key(place, error))?;
            }
            let keys = apk::Keys::new(mirrors.keys.iter().cloned())
                .map_err(|error| bad_key(&folder.file, error))?;
            let source = apk::ApkSource {
                mirrors: mirrors.urls.clone(),
                release: source.release.clone(),
                repositories: source.repositories.clone(),
                architecture: selection.package_architecture.clone(),
                keys,
            };
            let here = format!("; one can be made here with `cargo xtask mirror {distro}`");
            apk::open(store, &source, progress).map_err(|error| {
                let hint = match &error {
                    apk::ApkError::Store(error) => mirror_hint(error),
                    _ => "",
                };
                failed(Box::new(error), format!("{hint}{here}"))
            })
        }
        RepositorySource::Rpm(source) => {
            let source = rpm_source::source(folder, source, selection, mirrors)?;
            rpm_source::open(folder, &source, selection, store, progress)
        }
    };
    let index = index?;
    let mut identity = Sha256::new();
    identity.update(index.index_sha256);
    for (name, bytes) in &mirrors.keys {
        identity.update(Sha256::digest(name));
        identity.update(Sha256::digest(bytes));
    }
    Ok(Opened { index, identity: hex::encode(identity.finalize()) })
}

/// One request to the store a package, each proven by what the index says of it.
pub(crate) fn proving_requests(
    opened: &Opened,
    packages: &[&Package],
) -> Result<Vec<Request>, BuildError> {
    match packages.first().map(|package| package.family) {
        None => Ok(Vec::new()),
        Some(Family::Deb) => Ok(deb::requests(&opened.index, packages)),
        Some(Family::Rpm) => Ok(rpm::requests(&opened.index, packages)),
        Some(Family::Apk) => {
            let mut requests = apk::fetch::requests(&opened.index, packages)
                .map_err(|error| BuildError::Package(Box::new(error)))?;
            // What an apk index identifies does not cover the package's signature.
            // Whole files count here, so those of another mirror won't do.
            for request in &mut requests {
                if let Expect::Check { cache_key, .. } = &mut request.expect {
                    *cache_key = format!("{cache_key} of {}", opened.identity);
                }
            }
            Ok(requests)
        }
    }
}

/// `name` as if the repository's own version of it were installed already; a
/// name that packages only provide has no version.
fn assumed(packages: &[Package], name: &str) -> Provide {
    let version = packages.iter().find(|p| p.name == *name).map(|p| p.version.clone());
    Provide { name: name.to_owned(), version }
}

/// What is wrong with the key file at `place`; the libraries know it by its name
/// only, which is not said twice.
fn bad_key(place: &str, error: impl Into<KeyFault>) -> BuildError {
    let KeyFault(reason) = error.into();
    BuildError::Key { file: PathBuf::from(place), reason }
}

struct KeyFault(String);

impl From<KeyringError> for KeyFault {
    fn from(error: KeyringError) -> Self {
        Self(match error {
            KeyringError::Format { reason, .. } => {
                // What the reader met is no trouble of input and output.
                let reason = reason.trim_start_matches("IO error: ");
                format!("it is no file of OpenPGP public keys ({reason})")
            }
            KeyringError::Empty(_) => "it holds no OpenPGP public key".to_owned(),
        })
    }
}

impl From<apk::ApkError> for KeyFault {
    fn from(error: apk::ApkError) -> Self {
        Self(match error {
            apk::ApkError::BadKey { reason, .. } => format!(
                "it is no RSA public key in PEM form (SubjectPublicKeyInfo, 2048 bits or more): {reason}"
            ),
            error => error.to_string(),
        })
    }
}

/// The OpenPGP keys that were chosen.
pub(crate) fn keyring(mirrors: &Mirrors) -> Result<Keyring, BuildError> {
    let mut keyring = Keyring::default();
    for ((name, bytes), place) in mirrors.keys.iter().zip(&mirrors.key_places) {
        keyring.extend(Keyring::from_bytes(name, bytes).map_err(|error| bad_key(place, error))?);
    }
    Ok(keyring)
}

fn deb_source(
    folder: &RecipeFolder,
    architecture: &str,
    mirrors: &Mirrors,
) -> Result<DebSource, BuildError> {
    let RepositorySource::Apt(source) = &folder.recipe.repository else {
        return Err(BuildError::NotApt(folder.recipe.name.clone()));
    };
    let keyring = keyring(mirrors)?;
    Ok(DebSource {
        mirrors: mirrors.urls.clone(),
        suite: source.suite.clone(),
        components: source.components.clone(),
        architecture: architecture.to_owned(),
        keyring,
        now: SystemTime::now(),
    })
}

/// The apt repository of a recipe, with mirrors chosen as for an image; the
/// kernel's source comes out of it.
///
/// # Errors
/// A recipe that can't be read or has no apt repository.
pub fn apt_source(
    recipes: &Path,
    distro: &str,
    architecture: &str,
    choice: &MirrorChoice,
) -> Result<DebSource, BuildError> {
    let folder = RecipeFolder::load(recipes, distro)?;
    let selection = folder.recipe.select(None, None, None, architecture)?;
    let mirrors = crate::mirrors::choose(&folder, architecture, choice)?;
    deb_source(&folder, &selection.package_architecture, &mirrors)
}
