//! Fuzz entry points of the rpm readers; see [`crate::fuzzing`].

use std::collections::HashSet;

use super::package_file::{Proof, RpmParts};
use super::repomd::Repomd;
use super::{archive, capabilities as texts, filelists, modules as streams, primary as list, rich};
use crate::fuzzing::order;
use crate::package::{Family, Identity, Package};

/// Most bytes that a document may have here.
const LIMIT: u64 = 1 << 20;

/// A package file, whose files are then unpacked.
pub fn package(bytes: &[u8]) {
    let package = Package {
        family: Family::Rpm,
        name: "app".to_owned(),
        version: "1.0-1".to_owned(),
        architecture: "x86_64".to_owned(),
        provides: Vec::new(),
        depends: Vec::new(),
        conflicts: Vec::new(),
        replaces: Vec::new(),
        rich: Vec::new(),
        location: String::new(),
        size: 0,
        installed_size: 1,
        identity: Identity::Sha256([0; 32]),
        source: String::new(),
        license: None,
    };
    if let Ok(file) = archive::read(&package, bytes, &Proof::Index) {
        assert!(file.data_tar.len().is_multiple_of(512) && file.signed_by.is_empty());
    }
    if let Ok(parts) = RpmParts::read(bytes) {
        let _ = parts.dependencies();
    }
}

/// repomd.xml; no path of it may lead out of the repository.
pub fn repomd(bytes: &[u8]) {
    let Ok(repomd) = Repomd::parse(bytes) else { return };
    for listed in &repomd.files {
        assert!(!listed.path.split('/').any(|part| matches!(part, "" | "." | "..")));
    }
}

/// primary.xml; no path of it may lead out of the repository.
pub fn primary(bytes: &[u8]) {
    let Ok(primary) = list::parse(bytes, LIMIT, "x86_64") else { return };
    for package in &primary.packages {
        assert!(!package.location.split('/').any(|part| matches!(part, "" | "." | "..")));
    }
    assert!(primary.files.iter().all(|(_, package)| package <= primary.packages.len()));
}

/// filelists.xml.
pub fn files(bytes: &[u8]) {
    let wanted: HashSet<&str> = ["/usr/bin/app"].into_iter().collect();
    if let Ok((owners, _)) = filelists::owners(bytes, LIMIT, &wanted) {
        assert!(owners.values().flatten().all(|path| path == "/usr/bin/app"));
    }
}

/// A list of modules.
pub fn modules(bytes: &[u8]) {
    let _ = streams::packages(bytes);
}

/// A boolean dependency, which must read the same when written again.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(expression) = rich::parse(&text) {
        let again = expression.to_string();
        let again = if again.starts_with('(') { again } else { format!("({again})") };
        assert_eq!(rich::parse(&again), Ok(expression));
    }
}

/// Capabilities as text.
pub fn capabilities(bytes: &[u8]) {
    if let Ok(Some(value)) = texts::attribute(&String::from_utf8_lossy(bytes)) {
        assert_eq!(value.len(), 20);
    }
}

/// Three versions on lines of their own.
pub fn version(bytes: &[u8]) {
    order(bytes, crate::version::rpm::compare);
}
