//! Where the packages of a recipe come from: one form for each family, and what
//! is wrong with one before anything is fetched. It must not know layers or
//! whether a mirror can be reached.

use crate::problem::nearest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An apt repository and the keys that sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptRepository {
    /// Suite or code name below `dists/`.
    pub suite: String,
    /// Further suites of the same mirrors whose packages count as well, for
    /// distros that never change a suite once it is released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<String>,
    /// Components to read.
    pub components: Vec<String>,
    /// Base URLs, tried in order when the machine itself names none.
    pub mirrors: Vec<String>,
    /// Public keys (OpenPGP), files below the recipe's folder.
    pub keys: Vec<String>,
    /// Last path component by which a mirror of this distro is known in the
    /// machine's own apt configuration (`debian`, `ubuntu`).
    pub host_mirror: String,
    /// Base URL of the archive as it stood at `{time}` (`20250809T102754Z`): asked
    /// last, for locked packages that every mirror has replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Architectures that have mirrors of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_mirrors: Vec<OtherMirrors>,
}

/// An apk (v2) repository and the keys that sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApkRepository {
    /// Release directory (`v3.23`).
    pub release: String,
    /// Repositories of the release (`main`).
    pub repositories: Vec<String>,
    /// Base URLs, tried in order.
    pub mirrors: Vec<String>,
    /// Public keys (RSA, PEM), files below the recipe's folder; the file name
    /// is the key's name.
    pub keys: Vec<String>,
}

/// rpm repositories and the trust put into them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RpmRepository {
    /// What `{release}` stands for in `repositories`.
    pub release: String,
    /// Folders below a mirror that hold `repodata/`, all of which are read;
    /// `{release}` and `{arch}` (the distro's name of it) are filled in.
    pub repositories: Vec<String>,
    /// Base URLs, tried in order.
    pub mirrors: Vec<String>,
    /// Architectures that have mirrors of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_mirrors: Vec<OtherMirrors>,
    /// Public keys (OpenPGP), files below the recipe's folder.
    #[serde(default)]
    pub keys: Vec<String>,
    /// What vouches for the packages.
    pub index: RpmIndex,
}

/// What vouches for the packages of an rpm repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RpmIndex {
    /// One of the keys signs the index (`repomd.xml.asc`), and the index knows
    /// the digest of every package.
    Signed,
    /// The index is signed by nobody: each package carries a signature by one
    /// of the keys.
    SignedPackages,
    /// Nobody signs anything: the recipe knows the SHA-256 of `repomd.xml`, by
    /// our name of the architecture.
    PinnedSha256(BTreeMap<String, String>),
}

/// Mirrors of some architectures only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherMirrors {
    /// Our names of the architectures.
    pub architectures: Vec<String>,
    /// Base URLs, tried in order.
    pub mirrors: Vec<String>,
    /// As [`AptRepository::host_mirror`], for these architectures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_mirror: Option<String>,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepositorySource {
    /// Debian and its kin.
    Apt(AptRepository),
    /// Alpine.
    Apk(ApkRepository),
    /// Fedora and its kin.
    Rpm(RpmRepository),
}

/// A mistake in a repository: the word of the file that it is about, what is
/// wrong, and the nearest right word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) word: String,
    pub(crate) message: String,
    pub(crate) near: Option<String>,
}

impl Fault {
    fn new(word: &str, message: String) -> Self {
        Self { word: word.to_owned(), message, near: None }
    }
}

impl RepositorySource {
    /// Keys that the recipe trusts.
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Apt(source) => &source.keys,
            Self::Apk(source) => &source.keys,
            Self::Rpm(source) => &source.keys,
        }
    }

    pub(crate) fn keys_mut(&mut self) -> &mut [String] {
        match self {
            Self::Apt(source) => &mut source.keys,
            Self::Apk(source) => &mut source.keys,
            Self::Rpm(source) => &mut source.keys,
        }
    }

    /// Mirrors that hold packages of an architecture (by our name).
    pub fn mirrors(&self, architecture: &str) -> &[String] {
        match (self, self.other(architecture)) {
            (_, Some(other)) => &other.mirrors,
            (Self::Apt(source), None) => &source.mirrors,
            (Self::Apk(source), None) => &source.mirrors,
            (Self::Rpm(source), None) => &source.mirrors,
        }
    }

    /// How the machine's own apt configuration names mirrors that hold packages
    /// of an architecture.
    pub fn host_mirror(&self, architecture: &str) -> Option<&str> {
        match (self, self.other(architecture)) {
            (_, Some(other)) => other.host_mirror.as_deref(),
            (Self::Apt(source), None) => Some(&source.host_mirror),
            _ => None,
        }
    }

    fn other_mirrors(&self) -> &[OtherMirrors] {
        match self {
            Self::Apt(source) => &source.other_mirrors,
            Self::Rpm(source) => &source.other_mirrors,
            Self::Apk(_) => &[],
        }
    }

    fn other(&self, architecture: &str) -> Option<&OtherMirrors> {
        let of_it = |other: &&OtherMirrors| other.architectures.iter().any(|a| a == architecture);
        self.other_mirrors().iter().find(of_it)
    }

    /// What is wrong with it in a recipe for these architectures.
    pub(crate) fn fault(&self, architectures: &BTreeMap<String, String>) -> Option<Fault> {
        let known = |name: &str, key: &str| {
            (!architectures.contains_key(name)).then(|| Fault {
                near: nearest(name, architectures.keys().map(String::as_str)).map(str::to_owned),
                ..Fault::new(name, format!("`{key}` names `{name}`, no architecture of the recipe"))
            })
        };
        for name in self.other_mirrors().iter().flat_map(|other| &other.architectures) {
            if let Some(fault) = known(name, "other-mirrors") {
                return Some(fault);
            }
        }
        let Self::Rpm(source) = self else { return None };
        if source.repositories.is_empty() {
            let message = "there is no repository to read".to_owned();
            return Some(Fault::new("repositories", message));
        }
        if let Some(fault) = source.repositories.iter().find_map(|path| wrong_path(path)) {
            return Some(fault);
        }
        match &source.index {
            RpmIndex::PinnedSha256(digests) => {
                if source.repositories.len() > 1 {
                    let message = "a pinned digest is that of one repository".to_owned();
                    return Some(Fault::new("pinned-sha256", message));
                }
                digests.iter().find_map(|(name, digest)| {
                    known(name, "pinned-sha256").or_else(|| wrong_digest(digest))
                })
            }
            RpmIndex::Signed | RpmIndex::SignedPackages => source.keys.is_empty().then(|| {
                let message = "without `keys` nothing vouches for the packages".to_owned();
                Fault::new("index", message)
            }),
        }
    }
}

impl RpmRepository {
    /// The folders below a mirror for an architecture, by the distro's name.
    pub fn paths(&self, package_architecture: &str) -> Vec<String> {
        let filled = |path: &String| {
            path.replace("{release}", &self.release).replace("{arch}", package_architecture)
        };
        self.repositories.iter().map(filled).collect()
    }
}

/// A path below a mirror, whose placeholders have to be known.
fn wrong_path(path: &str) -> Option<Fault> {
    let known = ["release", "arch"];
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if !known.contains(&name) {
            return Some(Fault {
                near: nearest(name, known).map(|near| format!("{{{near}}}")),
                ..Fault::new(path, format!("`{{{name}}}` stands for nothing in a path"))
            });
        }
        rest = after;
    }
    let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./+~{}".contains(&b));
    (!plain).then(|| {
        Fault::new(path, format!("`{path}` is no plain path below a mirror, such as `os/{{arch}}`"))
    })
}

fn wrong_digest(digest: &str) -> Option<Fault> {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (digest.len() != 64 || !digest.bytes().all(hex)).then(|| {
        Fault::new(digest, format!("`{digest}` is no SHA-256: 64 lower-case hexadecimal digits"))
    })
}
