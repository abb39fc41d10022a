//! Bills of materials of an artifact: SPDX 2.3 and CycloneDX 1.6, both JSON.
//!
//! They say what the manifest and the list of contents say, in forms that
//! scanners read. Nothing here reads files or clocks: the same artifact has
//! the same bills, byte for byte. It must not know how a guest is built.
//!
//! For whoever builds: [`companions`] gives every file that stands beside an
//! artifact, the list of contents and the provenance included.

mod cyclonedx;
mod described;
mod purl;
mod spdx;

pub use cyclonedx::cyclonedx;
pub use described::{Described, DescribedAgent};
pub use purl::{PackageKind, purl};
pub use spdx::spdx;

use crate::contents::Contents;
use crate::explain::CONTENTS;
use crate::manifest::{MirrorRecord, PackageRecord};
use crate::provenance::{Material, statement};

/// What a bill is about.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The artifact as its manifest has it.
    pub described: Described<'a>,
    /// What is in it; without, the bill lists no privileged files.
    pub contents: Option<&'a Contents>,
    /// Packaging system of its packages.
    pub kind: PackageKind,
}

/// Name of the program that makes the bills, with its version.
fn tool(described: &Described<'_>) -> String {
    format!("osbuilder-{}", described.osbuilder)
}

/// The digest of a package file, where the index gives one of SHA-256.
fn sha256(package: &PackageRecord) -> Option<&str> {
    package.identity.strip_prefix("sha256:")
}

/// Where a package file came from.
pub(crate) fn url(mirror: &MirrorRecord, package: &PackageRecord) -> Option<String> {
    let base = mirror.url.trim_end_matches('/');
    let location = package.location.as_deref()?;
    // A mirror in a local folder is no place that others could download from.
    (base.starts_with("http://") || base.starts_with("https://"))
        .then(|| format!("{base}/{}", location.trim_start_matches('/')))
}

fn bytes(document: &serde_json::Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}

/// Ending of the SPDX bill of materials.
pub(crate) const SPDX: &str = ".spdx.json";
/// Ending of the provenance statement.
pub(crate) const PROVENANCE: &str = ".provenance.json";
/// Ending of the CycloneDX bill of materials.
pub(crate) const CYCLONEDX: &str = ".cdx.json";

/// The endings of the files that [`companions`] makes.
pub(crate) fn endings(with_cyclonedx: bool) -> &'static [&'static str] {
    const ALL: [&str; 4] = [CONTENTS, SPDX, PROVENANCE, CYCLONEDX];
    if with_cyclonedx { &ALL } else { &ALL[..3] }
}

/// All files that explain an artifact, as the ending of its name and the bytes:
/// contents, SPDX, provenance and, where asked for, CycloneDX.
#[must_use]
pub fn companions(
    described: Described<'_>,
    contents: &Contents,
    kind: PackageKind,
    materials: &[Material],
    with_cyclonedx: bool,
) -> Vec<(&'static str, Vec<u8>)> {
    let provenance = statement(&described, materials);
    let subject = Subject { described, contents: Some(contents), kind };
    let mut files =
        vec![(CONTENTS, contents.to_json()), (SPDX, spdx(&subject)), (PROVENANCE, provenance)];
    if with_cyclonedx {
        files.push((CYCLONEDX, cyclonedx(&subject)));
    }
    files
}
