//! What callers ask for and what they get.
//!
//! A request says where bytes may be found, how large they may be and how they
//! are proven; it must not know how they are transferred or kept.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use url::Url;

use crate::error::StoreError;

/// A file to have: from the cache, or from the first URL that gives the right bytes.
#[derive(Debug, Clone)]
pub struct Request {
    /// A short name for people, such as a package's name and version.
    pub label: String,
    /// Where to look, in this order: `http`, `https` or `file`.
    pub urls: Vec<Url>,
    /// More bytes than this are refused while they stream in.
    pub max_size: u64,
    /// The exact size, where it is known.
    pub size: Option<u64>,
    /// What proves the bytes.
    pub expect: Expect,
}

impl Request {
    /// A file name for what is asked for, equal only for equal identities.
    pub(crate) fn identity(&self) -> String {
        match &self.expect {
            Expect::Sha256(sha256) => hex::encode(sha256),
            Expect::Check { cache_key, .. } => {
                format!("key{}", hex::encode(Sha256::digest(cache_key.as_bytes())))
            }
        }
    }
}

/// A caller's proof of some bytes; an error says in one sentence what is wrong with them.
pub type Check = Arc<dyn Fn(&[u8]) -> Result<(), String> + Send + Sync>;

/// What proves that bytes are the ones asked for.
#[derive(Clone)]
pub enum Expect {
    /// The SHA-256 of the whole file.
    Sha256([u8; 32]),
    /// An identity that is not a digest of the whole file.
    Check {
        /// Names the identity; it must differ for anything that may differ in bytes.
        cache_key: String,
        /// Proves the bytes; called after each transfer and on each use of the cache.
        check: Check,
    },
}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => f.debug_tuple("Sha256").field(&hex::encode(digest)).finish(),
            Self::Check { cache_key, .. } => {
                f.debug_struct("Check").field("cache_key", cache_key).finish_non_exhaustive()
            }
        }
    }
}

/// A proven file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
    /// The URL that gave it, where it was not in the store already.
    pub served_by: Option<Url>,
    pub(crate) path: PathBuf,
}

impl Blob {
    /// Where the file lies. It is read-only: whoever wants to change it takes a copy.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes, hashed once more, so that a change since the fetch is an error.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the file cannot be read, [`StoreError::Damaged`]
    /// where its bytes changed.
    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        // One byte more than expected is enough to see that a file has grown.
        File::open(&self.path)
            .and_then(|file| file.take(self.size.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|source| StoreError::io(&self.path, source))?;
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != self.sha256 {
            return Err(StoreError::Damaged { path: self.path.clone() });
        }
        Ok(bytes)
    }
}

/// An index file that its caller's check accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedIndex {
    /// The accepted bytes.
    pub bytes: Vec<u8>,
    /// The URL that they came from; for a remembered copy the one it came from then.
    pub url: Url,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_changed_is_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("blob");
        let sha256 = Sha256::digest(b"good").into();
        let blob = Blob { sha256, size: 4, served_by: None, path: path.clone() };
        assert!(matches!(blob.read(), Err(StoreError::Io { .. })));
        for bad in ["baad", "goo", "goodbye", ""] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(blob.read(), Err(StoreError::Damaged { .. })), "{bad}");
        }
        std::fs::write(&path, "good").unwrap();
        assert_eq!(blob.read().unwrap(), b"good");
    }
}
