//! Packages of a build: open the repository, choose, fetch, unpack. Hides which
//! family a distro belongs to from the rest of this crate.

use crate::error::{BuildError, mirror_hint};
use crate::folder::RecipeFolder;
use crate::manifest::{MirrorRecord, PackageRecord};
use crate::mirrors::{MirrorChoice, Mirrors};
use artifact_store::{Progress, Request, Store, without_password};
use rayon::prelude::*;
use recipe::{Recipe, RepositorySource, Selection};
use repository::apk::PkgInfo;
use repository::deb::DebSource;
use repository::openpgp::{Keyring, KeyringError};
use repository::solve::{Exceptions, Reason, Selected, SolveError, Wanted, replaced, solve};
use repository::{Family, Identity, Index, Package, Provide, Relation, apk, deb};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A package ready to be merged.
pub(crate) struct Unpacked {
    pub(crate) name: String,
    /// The whole uncompressed tar of its files.
    pub(crate) tar: Arc<Vec<u8>>,
    /// Packages whose files it may overwrite.
    pub(crate) replaces: Vec<String>,
    /// Who wins where two packages may overwrite each other.
    pub(crate) replace_priority: u32,
}

/// The repository and what was chosen from it.
pub(crate) struct Chosen {
    index: Index,
    selected: Vec<Selected>,
}

/// Opens the repository and chooses the packages that the selection asks for.
pub(crate) fn choose(
    folder: &RecipeFolder,
    selection: &Selection,
    mirrors: &Mirrors,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Chosen, BuildError> {
    let index = open(folder, selection, mirrors, store, progress)?;
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
            let problem = Recipe::problem_at_word(&folder.file, &folder.text, name, message, near);
            return Err(problem.into());
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
            Ok(Chosen { index, selected })
        }
        Err(SolveError::NotFound { name, nearest, .. })
            if selection.layer.packages.contains(&name) =>
        {
            let message = format!("no package `{name}` in {}", index.description);
            let near = nearest.iter().map(String::as_str);
            Err(Recipe::problem_at_word(&folder.file, &folder.text, &name, message, near).into())
        }
        Err(error) => {
            Err(BuildError::Solve { distro: folder.recipe.name.clone(), source: Box::new(error) })
        }
    }
}

fn open(
    folder: &RecipeFolder,
    selection: &Selection,
    mirrors: &Mirrors,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Index, BuildError> {
    let distro = &folder.recipe.name;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>, hint: String| {
        BuildError::Repository { distro: distro.clone(), hint, source }
    };
    match &folder.recipe.repository {
        RepositorySource::Apt(_) => {
            let source = deb_source(folder, &selection.package_architecture, mirrors)?;
            deb::open(store, &source, progress).map_err(|error| match error {
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

fn deb_source(
    folder: &RecipeFolder,
    architecture: &str,
    mirrors: &Mirrors,
) -> Result<DebSource, BuildError> {
    let RepositorySource::Apt(source) = &folder.recipe.repository else {
        return Err(BuildError::NotApt(folder.recipe.name.clone()));
    };
    let mut keyring = Keyring::default();
    for ((name, bytes), place) in mirrors.keys.iter().zip(&mirrors.key_places) {
        keyring.extend(Keyring::from_bytes(name, bytes).map_err(|error| bad_key(place, error))?);
    }
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
    let mirrors = crate::mirrors::choose(&folder, choice)?;
    deb_source(&folder, &selection.package_architecture, &mirrors)
}

impl Chosen {
    /// Fetches every chosen package and unpacks it, in name order.
    pub(crate) fn unpack(
        &self,
        distro: &str,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<Vec<Unpacked>, BuildError> {
        let packages: Vec<&Package> = self.packages().collect();
        let requests = self.requests()?;
        let blobs = store
            .fetch_all(&requests, 8, progress)
            .map_err(|error| BuildError::fetch(distro, error))?;
        packages
            .par_iter()
            .zip(&blobs)
            .map(|(package, blob)| {
                let bytes = blob.read().map_err(|error| BuildError::fetch(distro, error))?;
                let damaged =
                    |error: Box<dyn std::error::Error + Send + Sync>| BuildError::Package(error);
                let (tar, relations, replace_priority) = match package.family {
                    Family::Deb => {
                        let file = deb::payload(package, &bytes).map_err(|e| damaged(e.into()))?;
                        (file.data_tar, package.replaces.clone(), 0)
                    }
                    // An apk index does not say what a package replaces; the package does.
                    Family::Apk => {
                        let file =
                            apk::fetch::payload(package, &bytes).map_err(|e| damaged(e.into()))?;
                        let PkgInfo { replaces, replaces_priority, .. } = file.pkginfo;
                        (file.data_tar, replaces, replaces_priority)
                    }
                };
                Ok(Unpacked {
                    name: package.name.clone(),
                    tar: Arc::new(tar),
                    replaces: replaced(&packages, &relations),
                    replace_priority,
                })
            })
            .collect()
    }

    /// One request to the store a package, in their order.
    pub(crate) fn requests(&self) -> Result<Vec<Request>, BuildError> {
        let packages: Vec<&Package> = self.packages().collect();
        match packages.first().map(|package| package.family) {
            None => Ok(Vec::new()),
            Some(Family::Deb) => Ok(deb::requests(&self.index, &packages)),
            Some(Family::Apk) => apk::fetch::requests(&self.index, &packages)
                .map_err(|error| BuildError::Package(Box::new(error))),
        }
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        self.selected.iter().map(|selected| &self.index.packages[selected.index])
    }

    /// What the manifest says of the repository.
    pub(crate) fn mirror_record(&self, mirrors: &Mirrors) -> MirrorRecord {
        let served = self.index.mirrors.first();
        MirrorRecord {
            url: served.map(without_password).unwrap_or_default(),
            chosen_by: served.map_or("nobody", |url| mirrors.chosen_by(url)).to_owned(),
            description: self.index.description.clone(),
            signed_by: self.index.signed_by.clone(),
            index_sha256: hex::encode(self.index.index_sha256),
        }
    }

    /// What the manifest says of the packages.
    pub(crate) fn records(&self) -> Vec<PackageRecord> {
        self.selected
            .iter()
            .map(|selected| {
                let package = &self.index.packages[selected.index];
                PackageRecord {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    architecture: package.architecture.clone(),
                    source: package.source.clone(),
                    identity: match &package.identity {
                        Identity::Sha256(digest) => format!("sha256:{}", hex::encode(digest)),
                        Identity::ApkControl(digest) => {
                            format!("apk-control-sha1:{}", hex::encode(digest))
                        }
                    },
                    because: match &selected.because {
                        Reason::Asked(why) => why.clone(),
                        Reason::DependencyOf { package, requirement } => {
                            format!("{} needs {requirement}", self.index.packages[*package].name)
                        }
                    },
                    needed_by: match &selected.because {
                        Reason::Asked(_) => None,
                        Reason::DependencyOf { package, .. } => {
                            Some(self.index.packages[*package].name.clone())
                        }
                    },
                    location: Some(package.location.clone()),
                    size: Some(package.size),
                    license: package.license.clone(),
                }
            })
            .collect()
    }
}
