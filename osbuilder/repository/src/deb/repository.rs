//! Opening a Debian repository: InRelease and its signature, then the Packages
//! indexes that it lists. The chain is kept whole here: nothing of an index is
//! looked at before a trusted key vouches for its digest. It fetches through the
//! store only and does not choose packages.

use std::cell::RefCell;
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use artifact_store::{Expect, Progress, Request, Store, StoreError};
use sha2::{Digest, Sha256};
use url::Url;

use super::cache;
use super::packages::{self, PackagesError};
use super::release::{Listed, Release, ReleaseError};
use crate::compression::{Compression, CompressionError};
use crate::index::{Index, IndexFile, file_url, in_one_line};
use crate::openpgp::{Keyring, SignatureError, verify_cleartext};
use crate::package::Package;

/// Largest InRelease, in bytes.
const MAX_INRELEASE: u64 = 16 << 20;
/// Largest compressed and largest unpacked Packages index, in bytes.
const MAX_PACKAGES_FILE: u64 = 256 << 20;
const MAX_PACKAGES: u64 = 1 << 30;

/// A Debian repository and the trust put into it.
#[derive(Debug, Clone)]
pub struct DebSource {
    /// Base URLs, the preferred first; `dists/` and `pool/` lie below each.
    pub mirrors: Vec<Url>,
    /// The suite's folder below `dists/`, which is also its name or codename.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// The architecture as Debian calls it, such as `amd64`.
    pub architecture: String,
    /// The keys that may sign it.
    pub keyring: Keyring,
    /// The moment at which signatures and dates must hold.
    pub now: SystemTime,
}

/// Why a repository can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A file can't be had, or none that was offered is to be trusted.
    #[error("can't open the Debian repository {suite}")]
    Fetch {
        /// The suite.
        suite: String,
        /// What the store says.
        source: StoreError,
    },
    /// The InRelease was refused (told through the store when it was fetched).
    #[error("the InRelease of {suite} is not to be trusted")]
    Signature {
        /// The suite.
        suite: String,
        /// The reason.
        source: SignatureError,
    },
    /// The InRelease is signed, but not what was asked for.
    #[error("the InRelease of {suite} can't be used")]
    Release {
        /// The suite.
        suite: String,
        /// The reason.
        source: ReleaseError,
    },
    /// An index can't be unpacked.
    #[error("{path} can't be unpacked")]
    Unpack {
        /// The index, relative to the suite.
        path: String,
        /// The reason.
        source: CompressionError,
    },
    /// An index can't be read.
    #[error("{path} can't be read")]
    Packages {
        /// The index, relative to the suite.
        path: String,
        /// The reason.
        source: PackagesError,
    },
    /// The recipe names a suite or component that is no plain path.
    #[error("`{0}` can't be the name of a suite or component")]
    Name(String),
}

/// Fetches and verifies the index of a repository.
///
/// # Errors
/// [`RepositoryError`]; for what mirrors offered, the store's list of attempts
/// says what was wrong with each.
pub fn open(
    store: &Store,
    source: &DebSource,
    progress: &dyn Progress,
) -> Result<Index, RepositoryError> {
    for name in source.components.iter().chain([&source.suite, &source.architecture]) {
        let plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./+~".contains(&b));
        if !plain {
            return Err(RepositoryError::Name(name.clone()));
        }
    }
    let inrelease = InRelease::fetch(store, source, progress)?;
    let mirrors = order_mirrors(source, &inrelease.url);
    let mut all = Vec::new();
    for component in &source.components {
        let packages =
            component_packages(store, source, &inrelease, &mirrors, component, progress)?;
        if all.is_empty() {
            all = packages;
        } else {
            all.extend(packages);
        }
    }
    let release = &inrelease.release;
    let origin = Some(release.origin.as_str()).filter(|origin| !origin.is_empty());
    Ok(Index {
        packages: all,
        description: format!(
            "{} {} {} {}",
            origin.unwrap_or("unnamed archive"),
            release.codename.as_ref().unwrap_or(&source.suite),
            source.components.join(" "),
            source.architecture
        ),
        signed_by: inrelease.signed_by,
        date: Some(release.date),
        index_sha256: inrelease.sha256,
        files: vec![IndexFile {
            path: format!("dists/{}/InRelease", source.suite),
            date: Some(release.date),
            sha256: inrelease.sha256,
        }],
        mirrors,
    })
}

/// A Release whose signature and words were checked.
struct InRelease {
    release: Release,
    signed_by: Vec<String>,
    sha256: [u8; 32],
    url: Url,
}

impl InRelease {
    fn fetch(
        store: &Store,
        source: &DebSource,
        progress: &dyn Progress,
    ) -> Result<Self, RepositoryError> {
        let path = format!("dists/{}/InRelease", source.suite);
        let urls: Vec<Url> = source.mirrors.iter().map(|base| file_url(base, &path)).collect();
        // The same suite under the same keys is the same repository, whichever
        // mirror serves it; another archive's suite of that name is not.
        let trust = Sha256::digest(source.keyring.fingerprints().join(" "));
        let key = format!("InRelease of {} ({})", source.suite, hex::encode(&trust[..6]));
        // The store asks for a verdict on bytes and then gives the accepted ones;
        // what was read for the verdict is kept so that it is read once.
        let accepted = RefCell::new(None);
        let validate = |bytes: &[u8]| match Self::check(source, bytes) {
            Ok((release, signed_by)) => {
                let sha256: [u8; 32] = Sha256::digest(bytes).into();
                *accepted.borrow_mut() = Some((release, signed_by, sha256));
                Ok(())
            }
            // Whose InRelease was refused, the store says.
            Err(error) => Err(in_one_line(error.source().unwrap_or(&error))),
        };
        let fetched = store.fetch_index(&key, &urls, MAX_INRELEASE, progress, &validate).map_err(
            |error| RepositoryError::Fetch { suite: source.suite.clone(), source: error },
        )?;
        let sha256: [u8; 32] = Sha256::digest(&fetched.bytes).into();
        let kept = accepted.into_inner().filter(|(_, _, checked)| *checked == sha256);
        let (release, signed_by) = match kept {
            Some((release, signed_by, _)) => (release, signed_by),
            None => Self::check(source, &fetched.bytes)?,
        };
        Ok(Self { release, signed_by, sha256, url: fetched.url })
    }

    fn check(source: &DebSource, bytes: &[u8]) -> Result<(Release, Vec<String>), RepositoryError> {
        let verified = verify_cleartext(bytes, &source.keyring, source.now).map_err(|error| {
            RepositoryError::Signature { suite: source.suite.clone(), source: error }
        })?;
        // The clock was good enough for the signature, so it fits.
        let now = source.now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let release = Release::parse(&verified.text).and_then(|release| {
            release.check(&source.suite, &source.components, &source.architecture, now)?;
            Ok(release)
        });
        match release {
            Ok(release) => Ok((release, verified.fingerprints)),
            Err(error) => {
                Err(RepositoryError::Release { suite: source.suite.clone(), source: error })
            }
        }
    }
}

/// The mirror that served the InRelease, then the others in their order.
fn order_mirrors(source: &DebSource, served: &Url) -> Vec<Url> {
    let path = format!("dists/{}/InRelease", source.suite);
    let (mut first, rest): (Vec<Url>, Vec<Url>) =
        source.mirrors.iter().cloned().partition(|base| file_url(base, &path) == *served);
    first.extend(rest);
    first
}

/// The packages of one component, from the derived form where there is one.
fn component_packages(
    store: &Store,
    source: &DebSource,
    inrelease: &InRelease,
    mirrors: &[Url],
    component: &str,
    progress: &dyn Progress,
) -> Result<Vec<Package>, RepositoryError> {
    let release = &inrelease.release;
    let plain = format!("{component}/binary-{}/Packages", source.architecture);
    let found = [".xz", ".gz", ""].iter().find_map(|end| {
        let path = format!("{plain}{end}");
        release.file(&path).map(|listed| (path, listed))
    });
    let Some((path, listed)) = found else {
        let source_error = ReleaseError::NoIndex(plain);
        return Err(RepositoryError::Release { suite: source.suite.clone(), source: source_error });
    };
    let key = format!(
        "{}-{}-{}",
        String::from_utf8_lossy(cache::FORMAT),
        source.architecture,
        hex::encode(listed.sha256)
    );
    let failed = |error| RepositoryError::Fetch { suite: source.suite.clone(), source: error };
    let derived = store.derived(&key).map_err(failed)?;
    if let Some(packages) = derived.and_then(|bytes| cache::decode(&bytes)) {
        return Ok(packages);
    }
    let request = index_request(source, release, mirrors, &path, listed);
    let bytes = store.fetch(&request, progress).and_then(|blob| blob.read()).map_err(failed)?;
    let (compression, _) = Compression::of_name(&path);
    let size = release.file(&plain).map(|listed| listed.size.min(MAX_PACKAGES));
    let unpacked = compression
        .unpack(&bytes, size.unwrap_or(0), size.unwrap_or(MAX_PACKAGES))
        .map_err(|error| RepositoryError::Unpack { path: path.clone(), source: error })?;
    let packages = packages::parse(&unpacked, &source.architecture)
        .map_err(|error| RepositoryError::Packages { path, source: error })?;
    store.put_derived(&key, &cache::encode(&packages)).map_err(failed)?;
    Ok(packages)
}

/// By digest where the archive offers it, since a path may be replaced while a
/// mirror updates; by path as well, for mirrors that copied only those.
fn index_request(
    source: &DebSource,
    release: &Release,
    mirrors: &[Url],
    path: &str,
    listed: Listed,
) -> Request {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let suite = &source.suite;
    let by_hash = format!("dists/{suite}/{folder}/by-hash/SHA256/{}", hex::encode(listed.sha256));
    let by_path = format!("dists/{suite}/{path}");
    let mut urls = Vec::new();
    for base in mirrors {
        if release.by_hash {
            urls.push(file_url(base, &by_hash));
        }
        urls.push(file_url(base, &by_path));
    }
    Request {
        label: format!("{suite} {path}"),
        urls,
        max_size: listed.size.min(MAX_PACKAGES_FILE),
        size: Some(listed.size),
        expect: Expect::Sha256(listed.sha256),
    }
}
