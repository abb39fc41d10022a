//! One digest over everything a build is told, so that a build with nothing new
//! to do is recognised, and no cache can answer for other inputs.

use crate::build::Agent;
use crate::folder::RecipeFolder;
use crate::manifest::PackageRecord;
use recipe::Selection;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Raised whenever the same inputs give other bytes than before.
pub(crate) const BUILDER_FORMAT: u32 = 1;

/// What an artifact is made of, wherever that came from: filesystem identifiers
/// derive from it, so it must not know mirrors, keys or folders.
pub(crate) fn identity(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: &[PackageRecord],
    agent: &Agent,
) -> [u8; 32] {
    let sha = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let parents: Vec<_> = folder.parents.iter().map(|(n, t)| (n, sha(t.as_bytes()))).collect();
    let files: Vec<_> = folder.files.iter().map(|(n, t)| (n, sha(t.as_bytes()))).collect();
    let packages: Vec<_> = packages.iter().map(|p| [&p.name, &p.version, &p.identity]).collect();
    let document = json!({
        "format": BUILDER_FORMAT,
        "recipe": sha(folder.text.as_bytes()),
        "parents": parents,
        "files": files,
        "selection": selection,
        "packages": packages,
        "agent": hex::encode(agent.sha256),
    });
    Sha256::digest(document.to_string()).into()
}

/// The digest of all that the build is told; `packages` is the digest of what
/// the lock has for it. Mirrors and their keys are no part of it: whichever
/// served a package, its digest is in the lock.
pub(crate) fn digest(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: &str,
    agent: &Agent,
    verity: bool,
) -> [u8; 32] {
    let sha = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let parents: Vec<_> = folder.parents.iter().map(|(n, t)| (n, sha(t.as_bytes()))).collect();
    let files: Vec<_> = folder.files.iter().map(|(n, t)| (n, sha(t.as_bytes()))).collect();
    let document = json!({
        "format": BUILDER_FORMAT,
        "osbuilder": [env!("CARGO_PKG_VERSION"), env!("OSBUILDER_SOURCES")],
        "recipe": sha(folder.text.as_bytes()),
        "parents": parents,
        "files": files,
        "selection": selection,
        "packages": packages,
        "verity": verity,
        "agent": [&agent.version, &hex::encode(agent.sha256)],
    });
    Sha256::digest(document.to_string()).into()
}
