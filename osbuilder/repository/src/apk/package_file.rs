//! A package file: proven against the index, then read.
//!
//! The data archive is handed on as it is. Its PAX records
//! `APK-TOOLS.checksum.SHA1` repeat per file what `datahash` proves for all, and
//! are not looked at. It does not know how file trees are merged.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::checksum::format_checksum;
use super::error::ApkError;
use super::gzip::{all_streams, first_stream};
use super::keys::split_signatures;
use super::pkginfo::PkgInfo;
use super::tar_segment::members;
use crate::package::{Identity, Package};

/// Largest control segment when unpacked: `.PKGINFO` and scripts.
const MAX_CONTROL: u64 = 16 << 20;
/// Data may unpack to twice the size that the index claims and this; headers of
/// many small files need more room than the files.
const DATA_SLACK: u64 = 64 << 20;
/// No package's data may unpack to more.
const MAX_DATA: u64 = 4 << 30;

/// A proven and unpacked package.
#[derive(Debug, Clone)]
pub struct ApkFile {
    /// What the package says about itself.
    pub pkginfo: PkgInfo,
    /// Names of its scripts (`.post-install`), which are never run.
    pub scripts: Vec<String>,
    /// Its files, as an uncompressed tar archive.
    pub data_tar: Vec<u8>,
}

/// Proves `file` to be `package` of the index, without unpacking its files.
///
/// # Errors
/// Where the control data is not what the index names, or the files not what
/// the control data names.
pub fn check_package(file: &[u8], package: &Package) -> Result<(), ApkError> {
    proven(file, package).map(|_| ())
}

/// Proves `file` to be `package` of the index and unpacks it.
///
/// # Errors
/// As [`check_package`], and where the files unpack to far more than the index says.
pub fn read_package(file: &[u8], package: &Package) -> Result<ApkFile, ApkError> {
    let (pkginfo, scripts, data) = proven(file, package)?;
    let limit = package.installed_size.saturating_mul(2).saturating_add(DATA_SLACK).min(MAX_DATA);
    let data_tar = all_streams(data, limit, "package data")?;
    Ok(ApkFile { pkginfo, scripts, data_tar })
}

/// The proven control data and the proven, still compressed files.
fn proven<'a>(
    file: &'a [u8],
    package: &Package,
) -> Result<(PkgInfo, Vec<String>, &'a [u8]), ApkError> {
    let Identity::ApkControl(expected) = &package.identity else {
        return Err(ApkError::WrongIdentity(package.name.clone()));
    };
    let (_, rest) = split_signatures(file)?;
    let (tar, length) = first_stream(rest, MAX_CONTROL, "control data")?;
    let (control, data) = rest.split_at(length);
    let actual: [u8; 20] = Sha1::digest(control).into();
    if actual != *expected {
        return Err(ApkError::ControlMismatch {
            expected: format_checksum(expected),
            actual: format_checksum(&actual),
        });
    }
    let (mut pkginfo, mut scripts) = (None, Vec::new());
    for member in members(&tar, "control data")? {
        if member.name == ".PKGINFO" {
            pkginfo = Some(PkgInfo::parse(&member.bytes)?);
        } else {
            scripts.push(member.name);
        }
    }
    let pkginfo = pkginfo.ok_or(ApkError::Missing { what: "control data", member: ".PKGINFO" })?;
    let actual: [u8; 32] = Sha256::digest(data).into();
    if actual != pkginfo.data_sha256 {
        return Err(ApkError::DataMismatch {
            expected: hex::encode(pkginfo.data_sha256),
            actual: hex::encode(actual),
        });
    }
    if (&pkginfo.name, &pkginfo.version) != (&package.name, &package.version) {
        return Err(ApkError::NameMismatch {
            expected: format!("{} {}", package.name, package.version),
            actual: format!("{} {}", pkginfo.name, pkginfo.version),
        });
    }
    Ok((pkginfo, scripts, data))
}
