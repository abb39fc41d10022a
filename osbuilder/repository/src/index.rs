//! What opening a repository gives, whatever its family: its packages, where
//! they can be fetched from, and who vouches for them. It knows nothing of how
//! an index is spelled on a mirror.

use std::error::Error;
use std::sync::Arc;

use artifact_store::{Expect, Request};
use url::Url;

use crate::package::{Identity, Package};

/// A verified package index.
#[derive(Debug, Clone)]
pub struct Index {
    /// All packages, in the order of the index.
    pub packages: Vec<Package>,
    /// Base URLs for [`Package::location`]; the mirror that served the index
    /// comes first, since it surely has the files that index names.
    pub mirrors: Vec<Url>,
    /// Fingerprints or names of the keys whose signatures held.
    pub signed_by: Vec<String>,
    /// For people: `Debian trixie main amd64`.
    pub description: String,
    /// When the index was made, in seconds since 1970 UTC, if it says so.
    pub date: Option<i64>,
    /// SHA-256 of the signed bytes, which pins the whole repository.
    pub index_sha256: [u8; 32],
    /// Every signed file that was read, in order.
    pub files: Vec<IndexFile>,
}

/// A signed file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Path below the mirror.
    pub path: String,
    /// When it was made, in seconds since 1970 UTC, if it says so.
    pub date: Option<i64>,
    /// SHA-256 of the signed bytes.
    pub sha256: [u8; 32],
}

/// The URL of the file at `path` (segments divided by `/`) below a mirror's base.
pub fn file_url(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    // A URL that can't be a base has no files below it; fetching it fails by name.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

/// One request a package, in the same order, for families (`kind`: "a deb") that
/// identify packages by the digest of their whole files; all mirrors of the index
/// may serve it.
pub(crate) fn requests(index: &Index, packages: &[&Package], kind: &'static str) -> Vec<Request> {
    packages
        .iter()
        .map(|package| Request {
            label: format!("{} {}", package.name, package.version),
            urls: index.mirrors.iter().map(|base| file_url(base, &package.location)).collect(),
            max_size: package.size,
            size: Some(package.size),
            expect: match &package.identity {
                Identity::Sha256(digest) => Expect::Sha256(*digest),
                Identity::ApkControl(digest) => Expect::Check {
                    cache_key: format!("not {kind} {}", hex::encode(digest)),
                    check: Arc::new(move |_| {
                        Err(format!("an apk package can't be read as {kind}"))
                    }),
                },
            },
        })
        .collect()
}

/// An error and what caused it, for the store's list of attempts.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_the_base_with_or_without_a_slash() {
        for base in ["http://example.org/debian", "http://example.org/debian/"] {
            let url = file_url(&Url::parse(base).unwrap(), "pool/g/g++_1+b1~x.deb");
            assert_eq!(url.as_str(), "http://example.org/debian/pool/g/g++_1+b1~x.deb");
        }
        let url = file_url(&Url::parse("file:///srv").unwrap(), "a/b c");
        assert_eq!(url.as_str(), "file:///srv/a/b%20c");
    }
}
