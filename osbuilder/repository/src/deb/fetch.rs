//! From chosen packages to their files: what to ask the store for, and what to
//! make of the bytes that it proved.

use artifact_store::Request;

use super::archive::{self, DebError, DebFile};
use crate::index::{self, Index};
use crate::package::Package;

/// Why a fetched package can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the package {name} {version} can't be used")]
pub struct PayloadError {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What is wrong with its file.
    pub source: DebError,
}

/// One request a package, in the same order; all mirrors of the index may serve it.
pub fn requests(index: &Index, packages: &[&Package]) -> Vec<Request> {
    index::requests(index, packages, "a .deb")
}

/// Unpacks the file of `package`, whose digest the store has checked.
///
/// # Errors
/// [`PayloadError`] naming the package.
pub fn payload(package: &Package, bytes: &[u8]) -> Result<DebFile, PayloadError> {
    archive::read(package, bytes).map_err(|source| PayloadError {
        name: package.name.clone(),
        version: package.version.clone(),
        source,
    })
}
