//! The packages of a build, as the lock has them: fetched by digest and
//! unpacked, without a look at any index. Hides which family they belong to
//! from the rest of this crate.

use crate::assemble::rfc3339;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::lock::LockPlace;
use crate::manifest::{MirrorRecord, PackageRecord};
use crate::mirrors::Mirrors;
use crate::rpm_source;
use artifact_store::{Blob, Expect, Progress, Request, Store, without_password};
use rayon::prelude::*;
use recipe::{Lock, LockedPackage, LockedRepository, RepositorySource, Selection};
use repository::apk::PkgInfo;
use repository::index::file_url;
use repository::solve::replaced;
use repository::{Family, Identity, Package, apk, deb, rpm};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use url::Url;

/// No package unpacks to more than this many times its file's size.
const MOST_PACKED: u64 = 64;

/// A package ready to be merged.
pub(crate) struct Unpacked {
    pub(crate) name: String,
    /// The whole uncompressed tar of its files.
    pub(crate) tar: Arc<Vec<u8>>,
    /// Packages whose files it may overwrite.
    pub(crate) replaces: Vec<String>,
    /// Who wins where two packages may overwrite each other.
    pub(crate) replace_priority: u32,
    /// Whether its archive tells owners by name rather than by number.
    pub(crate) names_owners: bool,
}

/// Under what the store keeps unpacked debs; another number for another form.
const UNPACKED: &str = "files of deb 1";

/// One locked package and why it is here.
struct Choice {
    package: Package,
    sha256: [u8; 32],
    because: String,
    needed_by: Option<String>,
    /// Packages of the selection whose files it may overwrite.
    replaces: Vec<String>,
}

/// The packages of a selection.
pub(crate) struct Chosen {
    distro: String,
    /// The lock's file, as errors name it.
    lock: String,
    choices: Vec<Choice>,
    mirrors: Vec<Url>,
    repository: LockedRepository,
    /// What each rpm package has to prove besides its digest.
    proof: rpm::Proof,
}

impl Chosen {
    /// What `lock` holds for `selection`.
    ///
    /// # Errors
    /// [`BuildError::LockStale`] where the recipe asks for something else.
    pub(crate) fn of(
        lock: &Lock,
        place: &LockPlace,
        folder: &RecipeFolder,
        selection: &Selection,
        mirrors: &Mirrors,
    ) -> Result<Self, BuildError> {
        let distro = &folder.recipe.name;
        let stale = |reason: String| BuildError::LockStale {
            lock: place.shown().to_owned(),
            recipe: folder.file.clone(),
            reason,
            distro: distro.clone(),
            architecture: selection.architecture.clone(),
        };
        let locked = lock.selection(selection).map_err(stale)?;
        let family = family(folder);
        let names: Vec<&str> = locked.packages.iter().map(|choice| choice.name.as_str()).collect();
        let choose = |choice: &recipe::LockedChoice| -> Result<Choice, BuildError> {
            let recipe::LockedChoice { name, needed_by, requirement, .. } = choice;
            let known = lock.package(choice).ok_or_else(|| stale(format!("it lacks `{name}`")))?;
            let because = match (needed_by, requirement) {
                (Some(by), Some(requirement)) => format!("{by} needs {requirement}"),
                _ => format!("asked for by {}", folder.file),
            };
            let replaces = known.replaces.iter().filter(|name| names.contains(&name.as_str()));
            Ok(Choice {
                package: package(family, known),
                sha256: digest(&known.sha256),
                because,
                needed_by: needed_by.clone(),
                replaces: replaces.cloned().collect(),
            })
        };
        Ok(Self {
            distro: distro.clone(),
            lock: place.shown().to_owned(),
            choices: locked.packages.iter().map(choose).collect::<Result<_, _>>()?,
            mirrors: urls(folder, mirrors, &lock.repository),
            repository: lock.repository.clone(),
            proof: rpm_source::proof(folder, selection, mirrors)?,
        })
    }

    /// Every package of `lock`, whatever selection wants it.
    pub(crate) fn whole(
        lock: &Lock,
        place: &LockPlace,
        folder: &RecipeFolder,
        mirrors: &Mirrors,
    ) -> Self {
        let family = family(folder);
        let choice = |known: &LockedPackage| Choice {
            package: package(family, known),
            sha256: digest(&known.sha256),
            because: String::new(),
            needed_by: None,
            replaces: Vec::new(),
        };
        Self {
            distro: folder.recipe.name.clone(),
            lock: place.shown().to_owned(),
            choices: lock.packages.iter().map(choice).collect(),
            mirrors: urls(folder, mirrors, &lock.repository),
            repository: lock.repository.clone(),
            // Nothing of these is unpacked.
            proof: rpm::Proof::Index,
        }
    }

    /// One request to the store a package, in their order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.choices
            .iter()
            .map(|Choice { package, sha256, .. }| Request {
                label: format!("{} {}", package.name, package.version),
                urls: self.mirrors.iter().map(|base| file_url(base, &package.location)).collect(),
                max_size: package.size,
                size: Some(package.size),
                expect: Expect::Sha256(*sha256),
            })
            .collect()
    }

    /// Puts every package into the store. A package that no mirror has is the
    /// archive's doing, unless the lock is `fresh`.
    pub(crate) fn fetch(
        &self,
        fresh: bool,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<Vec<Blob>, BuildError> {
        store.fetch_all(&self.requests(), 8, progress).map_err(|error| {
            if fresh || !error.is_gone() {
                return BuildError::fetch(&self.distro, error);
            }
            let package = match &error {
                artifact_store::StoreError::AllMirrorsFailed { label, .. } => label.clone(),
                _ => "a package".to_owned(),
            };
            let lock = self.lock.clone();
            BuildError::Gone { distro: self.distro.clone(), package, lock, source: error }
        })
    }

    /// Unpacks every package, fetched before, in name order; with how many had to
    /// be unpacked, since the store did not hold them in that form.
    pub(crate) fn unpack(
        &self,
        blobs: &[Blob],
        store: &Store,
    ) -> Result<(Vec<Unpacked>, usize), BuildError> {
        let all: Vec<&Package> = self.choices.iter().map(|choice| &choice.package).collect();
        let anew = AtomicUsize::new(0);
        let unpacked = self.choices.par_iter().zip(blobs).map(|(choice, blob)| {
            let package = &choice.package;
            let (tar, replaces, replace_priority) = match package.family {
                Family::Deb => (self.deb(package, blob, store, &anew)?, choice.replaces.clone(), 0),
                // An apk index does not say what a package replaces; the package does.
                Family::Apk => {
                    anew.fetch_add(1, Ordering::Relaxed);
                    let file = apk::fetch::payload(package, &self.bytes(blob)?)
                        .map_err(|error| BuildError::Package(error.into()))?;
                    let PkgInfo { replaces, replaces_priority, .. } = file.pkginfo;
                    (file.data_tar, replaced(&all, &replaces), replaces_priority)
                }
                Family::Rpm => {
                    anew.fetch_add(1, Ordering::Relaxed);
                    let file = rpm::payload(package, &self.bytes(blob)?, &self.proof)
                        .map_err(|error| BuildError::Package(error.into()))?;
                    (file.data_tar, choice.replaces.clone(), 0)
                }
            };
            let name = package.name.clone();
            let names_owners = package.family == Family::Rpm;
            Ok(Unpacked { name, tar: Arc::new(tar), replaces, replace_priority, names_owners })
        });
        let unpacked = unpacked.collect::<Result<_, BuildError>>()?;
        Ok((unpacked, anew.into_inner()))
    }

    /// The files of a deb. Decompressing xz is most of a warm build, so the store
    /// keeps the outcome, by the digest of the package that it came from.
    fn deb(
        &self,
        package: &Package,
        blob: &Blob,
        store: &Store,
        anew: &AtomicUsize,
    ) -> Result<Vec<u8>, BuildError> {
        let kept = |error| BuildError::fetch(&self.distro, error);
        let key = format!("{UNPACKED} {}", hex::encode(blob.sha256));
        if let Some(tar) = store.derived(&key).map_err(kept)? {
            return Ok(tar);
        }
        anew.fetch_add(1, Ordering::Relaxed);
        let file = deb::payload(package, &self.bytes(blob)?)
            .map_err(|error| BuildError::Package(error.into()))?;
        store.put_derived(&key, &file.data_tar).map_err(kept)?;
        Ok(file.data_tar)
    }

    fn bytes(&self, blob: &Blob) -> Result<Vec<u8>, BuildError> {
        blob.read().map_err(|error| BuildError::fetch(&self.distro, error))
    }

    /// SHA-256 over everything of the lock that reaches an artifact.
    pub(crate) fn sha256(&self) -> String {
        let records = serde_json::to_vec(&(self.records(), &self.repository.sha256));
        hex::encode(Sha256::digest(records.expect("records are plain data")))
    }

    /// What the manifest says of the repository: the mirror that served one of
    /// `blobs`, or the first one that would have been asked.
    pub(crate) fn mirror_record(&self, mirrors: &Mirrors, blobs: &[Blob]) -> MirrorRecord {
        let served = blobs.iter().find_map(|blob| blob.served_by.as_ref());
        let of = |base: &&Url| served.is_some_and(|url| url.as_str().starts_with(base.as_str()));
        let first = self.mirrors.iter().find(of).or(self.mirrors.first());
        MirrorRecord {
            url: first.map(without_password).unwrap_or_default(),
            chosen_by: first.map_or("nobody", |url| mirrors.chosen_by(url)).to_owned(),
            description: self.repository.description.clone(),
            signed_by: self.repository.signed_by.clone(),
            index_sha256: self.repository.sha256.clone(),
        }
    }

    /// What the manifest says of the packages.
    pub(crate) fn records(&self) -> Vec<PackageRecord> {
        self.choices
            .iter()
            .map(|Choice { package, sha256, because, needed_by, .. }| PackageRecord {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
                source: package.source.clone(),
                identity: format!("sha256:{}", hex::encode(sha256)),
                because: because.clone(),
                needed_by: needed_by.clone(),
                location: Some(package.location.clone()),
                size: Some(package.size),
                license: package.license.clone(),
            })
            .collect()
    }
}

/// The mirrors, and last of all the archive's own past, where it keeps one: as it
/// stood a day after the index was made, when every package of it had arrived.
fn urls(folder: &RecipeFolder, mirrors: &Mirrors, repository: &LockedRepository) -> Vec<Url> {
    let mut urls = mirrors.urls.clone();
    let date = repository.indexes.first().and_then(|index| index.date);
    if let (RepositorySource::Apt(source), Some(date), true) =
        (&folder.recipe.repository, date, mirrors.usual)
        && let Some(snapshot) = &source.snapshot
    {
        let time = rfc3339(date.saturating_add(24 * 60 * 60)).replace(['-', ':'], "");
        // The recipe's check made sure that it is a URL with the place in it.
        urls.extend(Url::parse(&snapshot.replace("{time}", &time)));
    }
    urls
}

fn family(folder: &RecipeFolder) -> Family {
    match &folder.recipe.repository {
        RepositorySource::Apt(_) => Family::Deb,
        RepositorySource::Apk(_) => Family::Apk,
        RepositorySource::Rpm(_) => Family::Rpm,
    }
}

/// A locked package as the readers of package files know it. Its relations were
/// settled when the lock was made.
fn package(family: Family, locked: &LockedPackage) -> Package {
    Package {
        family,
        name: locked.name.clone(),
        version: locked.version.clone(),
        architecture: locked.architecture.clone(),
        provides: Vec::new(),
        depends: Vec::new(),
        conflicts: Vec::new(),
        replaces: Vec::new(),
        rich: Vec::new(),
        location: locked.location.clone(),
        size: locked.size,
        // A lock does not say it. No package is packed by more than this, and so
        // bombs are stopped here as they are where an index gives the size.
        installed_size: locked.size.saturating_mul(MOST_PACKED),
        identity: match &locked.control_sha1 {
            Some(text) => {
                let mut sha1 = [0; 20];
                hex::decode_to_slice(text, &mut sha1).expect("a lock's digests are hexadecimal");
                Identity::ApkControl(sha1)
            }
            None => Identity::Sha256(digest(&locked.sha256)),
        },
        source: locked.source.clone(),
        license: locked.license.clone(),
    }
}

fn digest(text: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).expect("a lock's digests are hexadecimal");
    digest
}
