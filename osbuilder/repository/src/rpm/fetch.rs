//! From chosen packages to their files: what to ask the store for, and what to
//! make of the bytes that it proved.

use artifact_store::Request;

use super::archive::{self, RpmFile};
use super::error::FileError;
use super::package_file::{Proof, RpmParts};
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
    pub source: FileError,
}

/// One request a package, in the same order; all mirrors of the index may serve it.
pub fn requests(index: &Index, packages: &[&Package]) -> Vec<Request> {
    index::requests(index, packages, "an rpm")
}

/// Proves the file of `package` without unpacking it, as whoever writes a lock
/// has to where packages vouch for themselves; gives the fingerprints of the keys
/// whose signatures hold.
///
/// # Errors
/// [`PayloadError`] naming the package.
pub fn check(package: &Package, bytes: &[u8], proof: &Proof) -> Result<Vec<String>, PayloadError> {
    RpmParts::read(bytes)
        .and_then(|parts| parts.prove(package, proof))
        .map_err(|source| refused(package, source))
}

/// Proves and unpacks the file of `package`, whose digest the store has checked.
///
/// # Errors
/// [`PayloadError`] naming the package.
pub fn payload(package: &Package, bytes: &[u8], proof: &Proof) -> Result<RpmFile, PayloadError> {
    archive::read(package, bytes, proof).map_err(|source| refused(package, source))
}

fn refused(package: &Package, source: FileError) -> PayloadError {
    PayloadError { name: package.name.clone(), version: package.version.clone(), source }
}
