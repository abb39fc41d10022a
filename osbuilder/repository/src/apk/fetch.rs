//! Getting chosen packages out of the store: what to ask it for, and what to do
//! with the bytes. It does not know why a package was chosen.

use std::sync::Arc;

use artifact_store::{Expect, Request};

use super::checksum::format_checksum;
use super::error::ApkError;
use super::package_file::{ApkFile, check_package, read_package};
use crate::index::{Index, file_url};
use crate::package::{Identity, Package};

/// One request a package, in their order. Each file is proven against the index
/// before the store keeps it, and each time the store hands it out.
///
/// # Errors
/// [`ApkError::WrongIdentity`] for a package of another family.
pub fn requests(index: &Index, packages: &[&Package]) -> Result<Vec<Request>, ApkError> {
    packages.iter().map(|package| request(index, package)).collect()
}

fn request(index: &Index, package: &Package) -> Result<Request, ApkError> {
    let Identity::ApkControl(identity) = &package.identity else {
        return Err(ApkError::WrongIdentity(package.name.clone()));
    };
    let wanted = package.clone();
    Ok(Request {
        label: format!("{} {}", package.name, package.version),
        urls: index.mirrors.iter().map(|base| file_url(base, &package.location)).collect(),
        max_size: package.size,
        size: Some(package.size),
        expect: Expect::Check {
            cache_key: format!("apk-{}", format_checksum(identity)),
            check: Arc::new(move |bytes| {
                check_package(bytes, &wanted).map_err(|error| error.to_string())
            }),
        },
    })
}

/// Unpacks the bytes of a fetched package, proving them once more.
///
/// # Errors
/// As [`read_package`], with the package's name around it.
pub fn payload(package: &Package, bytes: &[u8]) -> Result<ApkFile, ApkError> {
    read_package(bytes, package).map_err(|source| ApkError::Package {
        name: package.name.clone(),
        version: package.version.clone(),
        source: Box::new(source),
    })
}
