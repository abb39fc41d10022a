//! Opening rpm repositories: repomd.xml and what vouches for it, then the index
//! files that it lists, joined into one index. The chain is kept whole here:
//! nothing of an index file is looked at before its digest holds. It fetches
//! through the store only and does not choose packages.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use artifact_store::{Expect, Progress, Request, Store, without_password};
use sha2::{Digest, Sha256, Sha512};
use url::Url;

use super::error::{IndexError, RpmError};
use super::files_needed;
use super::modules::{self, MAX_MODULES};
use super::package_file::Proof;
use super::primary::{self, Files};
use super::repomd::{FileDigest, Listed, MAX_REPOMD, Repomd, is_plain_path};
use crate::compression::Compression;
use crate::index::{Index, IndexFile, file_url, in_one_line};
use crate::openpgp::{Keyring, verify_detached};
use crate::package::Package;

/// Largest signature beside a repomd.xml, in bytes.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Largest compressed and largest unpacked index file, in bytes. The file lists
/// of a large distribution unpack to nearly a gigabyte.
const MAX_FILE: u64 = 256 << 20;
const MAX_UNPACKED: u64 = 2 << 30;

/// What vouches for the index, and with it for the packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// `repomd.xml.asc`, a signature by a key of the keyring.
    Signed,
    /// The SHA-256 of repomd.xml, one a repository in their order. For
    /// distributions that ended without ever signing one.
    Pinned {
        /// The digests.
        sha256: Vec<[u8; 32]>,
    },
    /// Nothing: the distribution signs packages only. What the index says counts
    /// for the choice and is held against each package's signed header before
    /// anything of it is used.
    SignedPackages,
}

/// Rpm repositories and the trust put into them.
#[derive(Debug, Clone)]
pub struct RpmSource {
    /// Base URLs, the preferred first; all repositories lie below each.
    pub mirrors: Vec<Url>,
    /// Folders below a mirror which have a `repodata`, such as
    /// `9-stream/BaseOS/x86_64/os`; an empty one is the mirror itself.
    pub repositories: Vec<String>,
    /// The architecture as rpm calls it, such as `x86_64`. Packages of none
    /// (`noarch`) are taken too.
    pub architecture: String,
    /// The keys that may sign it.
    pub keyring: Keyring,
    /// What they sign.
    pub trust: Trust,
    /// Names that will be asked for. Where something within their reach depends
    /// on a file that primary.xml does not tell of, the lists of all files are
    /// fetched, which are large; without names they never are.
    pub wanted: Vec<String>,
    /// The moment at which signatures must hold.
    pub now: SystemTime,
}

impl RpmSource {
    /// What must hold for a package's file; `locked` for one that comes out of a
    /// lock file and not out of the index.
    pub fn proof(&self, locked: bool) -> Proof {
        match self.trust {
            Trust::Signed | Trust::Pinned { .. } => Proof::Index,
            Trust::SignedPackages => Proof::Signature {
                keyring: self.keyring.clone(),
                now: self.now,
                dependencies: !locked,
            },
        }
    }

    fn check(&self) -> Result<(), RpmError> {
        let bad = |reason: String| Err(RpmError::Source(reason));
        for (what, absent) in [
            ("mirror", self.mirrors.is_empty()),
            ("repository", self.repositories.is_empty()),
            ("architecture", self.architecture.is_empty()),
        ] {
            if absent {
                return bad(format!("names no {what}"));
            }
        }
        if let Some(mirror) = self.mirrors.iter().find(|mirror| mirror.cannot_be_a_base()) {
            let mirror = without_password(mirror);
            return bad(format!("names the mirror {mirror}, which is no http, https or file URL"));
        }
        for repository in &self.repositories {
            if !repository.is_empty() && !is_plain_path(repository) {
                return bad(format!("names `{repository}`, which is no folder below a mirror"));
            }
        }
        if let Trust::Pinned { sha256 } = &self.trust {
            if sha256.len() != self.repositories.len() {
                return bad(format!(
                    "pins {} digests for {} repositories",
                    sha256.len(),
                    self.repositories.len()
                ));
            }
        } else if self.keyring.fingerprints().is_empty() {
            return bad("trusts no key".to_owned());
        }
        Ok(())
    }
}

/// Fetches and verifies the indexes of all repositories and joins them.
///
/// # Errors
/// [`RpmError`]; for what mirrors offered, the store's list of attempts says what
/// was wrong with each.
pub fn open(store: &Store, source: &RpmSource, progress: &dyn Progress) -> Result<Index, RpmError> {
    source.check()?;
    let mut opened = Vec::new();
    for (place, path) in source.repositories.iter().enumerate() {
        let session = Session { store, source, progress, path, place };
        opened.push((session.open()?, session));
    }
    let mut packages: Vec<Package> = Vec::new();
    let mut files: Vec<(usize, Files)> = Vec::new();
    for (repository, _) in &mut opened {
        files.push((packages.len(), std::mem::take(&mut repository.files)));
        packages.append(&mut repository.packages);
    }
    let missing = files_needed::add_known(&mut packages, &files, &source.wanted);
    drop(files);
    if !missing.is_empty() {
        let wanted: HashSet<&str> = missing.iter().map(String::as_str).collect();
        for (repository, session) in &opened {
            let owners = session.file_lists(repository, &wanted)?;
            files_needed::add_owners(&mut packages, &owners);
        }
    }
    let first = opened.first().map(|(repository, _)| repository.mirrors.clone());
    let mut signed_by: Vec<String> =
        opened.iter().flat_map(|(repository, _)| repository.signed_by.clone()).collect();
    signed_by.sort();
    signed_by.dedup();
    let digests: Vec<[u8; 32]> = opened.iter().map(|(r, _)| r.sha256).collect();
    Ok(Index {
        packages,
        mirrors: first.unwrap_or_default(),
        signed_by,
        description: format!("rpm {}", source.repositories.join(" ")),
        date: opened.iter().filter_map(|(repository, _)| repository.repomd.date).max(),
        index_sha256: match digests.as_slice() {
            [one] => *one,
            many => Sha256::digest(many.concat()).into(),
        },
        files: opened
            .iter()
            .map(|(repository, session)| IndexFile {
                path: session.below("repodata/repomd.xml"),
                date: repository.repomd.date,
                sha256: repository.sha256,
            })
            .collect(),
    })
}

/// One repository whose packages were read.
struct Repository {
    repomd: Repomd,
    sha256: [u8; 32],
    signed_by: Vec<String>,
    mirrors: Vec<Url>,
    packages: Vec<Package>,
    files: Files,
}

/// The work on one repository.
struct Session<'a> {
    store: &'a Store,
    source: &'a RpmSource,
    progress: &'a dyn Progress,
    /// The repository's folder.
    path: &'a str,
    /// Which of the repositories it is.
    place: usize,
}

impl Session<'_> {
    fn open(&self) -> Result<Repository, RpmError> {
        let urls = self.urls(&self.source.mirrors, "repodata/repomd.xml");
        let key = self.key("repomd.xml");
        let validate = |bytes: &[u8]| {
            let read = self.vouch(bytes).and_then(|_| Repomd::parse(bytes).map(|_| ()));
            read.map_err(|error| in_one_line(&error))
        };
        let fetched = self
            .store
            .fetch_index(&key, &urls, MAX_REPOMD, self.progress, &validate)
            .map_err(|error| RpmError::Fetch { repository: self.name(), source: error })?;
        let read = self
            .vouch(&fetched.bytes)
            .and_then(|signed_by| Ok((signed_by, Repomd::parse(&fetched.bytes)?)));
        let (signed_by, repomd) = read.map_err(|error| self.unreadable("repomd.xml", error))?;
        let served = urls.iter().position(|url| *url == fetched.url);
        let mut mirrors = self.source.mirrors.clone();
        // The mirror that has this index surely has the files it names.
        if let Some(place) = served {
            mirrors[..=place].rotate_right(1);
        }
        let mut repository = Repository {
            repomd,
            sha256: Sha256::digest(&fetched.bytes).into(),
            signed_by,
            mirrors,
            packages: Vec::new(),
            files: Files::default(),
        };
        self.read_packages(&mut repository)?;
        Ok(repository)
    }

    /// Whether these bytes may be used; gives who says so.
    fn vouch(&self, repomd: &[u8]) -> Result<Vec<String>, IndexError> {
        match &self.source.trust {
            Trust::Signed => self.signature(repomd),
            Trust::Pinned { sha256 } => {
                let seen: [u8; 32] = Sha256::digest(repomd).into();
                let pinned = sha256.get(self.place).copied().unwrap_or_default();
                if seen != pinned {
                    let (seen, pinned) = (hex::encode(seen), hex::encode(pinned));
                    return Err(IndexError::Pin { seen, pinned });
                }
                Ok(vec![format!("the recipe, which pins the sha256 {}", hex::encode(pinned))])
            }
            Trust::SignedPackages => {
                let keys = self.source.keyring.fingerprints().join(" or ");
                Ok(vec![format!("nobody; each package by {keys}")])
            }
        }
    }

    /// Fetches the signature beside repomd.xml. The one that fits is taken,
    /// whichever mirror has it; so a mirror amidst an update does no harm.
    fn signature(&self, repomd: &[u8]) -> Result<Vec<String>, IndexError> {
        let urls = self.urls(&self.source.mirrors, "repodata/repomd.xml.asc");
        let (keyring, now) = (&self.source.keyring, self.source.now);
        let validate = |bytes: &[u8]| match verify_detached(repomd, bytes, keyring, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(in_one_line(&error)),
        };
        let key = self.key("repomd.xml.asc");
        let fetched = self
            .store
            .fetch_index(&key, &urls, MAX_SIGNATURE, self.progress, &validate)
            .map_err(|error| IndexError::Value(in_one_line(&error)))?;
        verify_detached(repomd, &fetched.bytes, keyring, now).map_err(IndexError::Signature)
    }

    fn read_packages(&self, repository: &mut Repository) -> Result<(), RpmError> {
        let Some(listed) = repository.repomd.file("primary") else {
            return Err(self.unreadable("repomd.xml", IndexError::Missing("primary")));
        };
        let architecture = &self.source.architecture;
        let read = self.with_file(repository, listed, |document, limit| {
            let primary = primary::parse(document, limit, architecture)?;
            let size = primary.size;
            Ok((primary, size))
        })?;
        repository.files = read.files;
        repository.packages = read.packages;
        let modular = self.modular(repository)?;
        for package in &mut repository.packages {
            package.location = self.below(&package.location);
        }
        if !modular.is_empty() {
            let kept: Vec<bool> =
                repository.packages.iter().map(|p| !modular.contains(&nevra(p))).collect();
            repository.files.keep(&kept);
            let mut kept = kept.into_iter();
            repository.packages.retain(|_| kept.next().unwrap_or(true));
        }
        Ok(())
    }

    /// The packages that belong to modules.
    fn modular(&self, repository: &Repository) -> Result<HashSet<String>, RpmError> {
        let Some(listed) = repository.repomd.file("modules") else { return Ok(HashSet::new()) };
        self.with_file(repository, listed, |document, limit| {
            let mut yaml = Vec::new();
            let limit = limit.min(MAX_MODULES);
            document
                .take(limit.saturating_add(1))
                .read_to_end(&mut yaml)
                .map_err(|error| IndexError::Value(error.to_string()))?;
            if yaml.len() as u64 > limit {
                return Err(IndexError::Value(format!("it unpacks to more than {limit} bytes")));
            }
            Ok((modules::packages(&yaml)?, yaml.len() as u64))
        })
    }

    /// Which packages, by digest, have which of the wanted paths.
    fn file_lists(
        &self,
        repository: &Repository,
        wanted: &HashSet<&str>,
    ) -> Result<HashMap<String, Vec<String>>, RpmError> {
        let Some(listed) = repository.repomd.file("filelists") else {
            return Ok(HashMap::new());
        };
        self.with_file(repository, listed, |document, limit| {
            super::filelists::owners(document, limit, wanted)
        })
    }

    /// Fetches an index file and has it read as a stream; `read` gives what it
    /// made of it and how many bytes it saw.
    fn with_file<T>(
        &self,
        repository: &Repository,
        listed: &Listed,
        read: impl FnOnce(&mut dyn Read, u64) -> Result<(T, u64), IndexError>,
    ) -> Result<T, RpmError> {
        let request = Request {
            label: format!("{} {}", self.name(), listed.kind),
            urls: self.urls(&repository.mirrors, &listed.path),
            max_size: listed.size.unwrap_or(MAX_FILE).min(MAX_FILE),
            size: listed.size,
            expect: match &listed.digest {
                FileDigest::Sha256(digest) => Expect::Sha256(*digest),
                FileDigest::Sha512(digest) => {
                    let digest = digest.clone();
                    Expect::Check {
                        cache_key: format!("sha512-{}", hex::encode(&digest[..])),
                        check: Arc::new(move |bytes| {
                            let same = Sha512::digest(bytes)[..] == digest[..];
                            same.then_some(()).ok_or_else(|| "its SHA-512 is another".to_owned())
                        }),
                    }
                }
            },
        };
        let fetch = self.store.fetch(&request, self.progress).and_then(|blob| blob.read());
        let bytes =
            fetch.map_err(|error| RpmError::Fetch { repository: self.name(), source: error })?;
        let (compression, _) = Compression::of_name(&listed.path);
        let limit = listed.open_size.unwrap_or(MAX_UNPACKED).min(MAX_UNPACKED);
        let result = compression
            .reader(&bytes)
            .map_err(IndexError::Unpack)
            .and_then(|mut document| read(&mut document, limit))
            .and_then(|(value, actual)| match listed.open_size {
                Some(expected) if expected != actual => Err(IndexError::Size { expected, actual }),
                _ => Ok(value),
            });
        result.map_err(|error| self.unreadable(&listed.path, error))
    }

    fn unreadable(&self, path: &str, error: IndexError) -> RpmError {
        RpmError::Index { repository: self.name(), path: path.to_owned(), source: error }
    }

    /// The repository for people.
    fn name(&self) -> String {
        match self.path {
            "" => self.source.mirrors.first().map(without_password).unwrap_or_default(),
            path => path.to_owned(),
        }
    }

    fn urls(&self, mirrors: &[Url], file: &str) -> Vec<Url> {
        mirrors.iter().map(|base| file_url(base, &self.below(file))).collect()
    }

    /// The path of a repository's file below a mirror.
    fn below(&self, file: &str) -> String {
        match self.path {
            "" => file.to_owned(),
            folder => format!("{folder}/{file}"),
        }
    }

    /// What the store remembers a file under: the same folder under the same
    /// trust is the same repository, whichever mirror serves it.
    fn key(&self, file: &str) -> String {
        let source = self.source;
        let trust = match &source.trust {
            Trust::Signed => "signed".to_owned(),
            Trust::Pinned { sha256 } => sha256.get(self.place).map(hex::encode).unwrap_or_default(),
            Trust::SignedPackages => {
                // Without a signature or pin a folder's name says little.
                source.mirrors.iter().map(without_password).collect::<Vec<_>>().join(" ")
            }
        };
        let trust = format!("{trust} {}", source.keyring.fingerprints().join(" "));
        let digest = hex::encode(&Sha256::digest(trust)[..6]);
        format!("{file} of {} ({digest})", self.path)
    }
}

/// `name-epoch:version-release.architecture`, as lists of modules have it.
fn nevra(package: &Package) -> String {
    let epoch = if package.version.contains(':') { "" } else { "0:" };
    format!("{}-{epoch}{}.{}", package.name, package.version, package.architecture)
}
