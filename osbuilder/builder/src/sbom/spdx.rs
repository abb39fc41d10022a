//! SPDX 2.3 as JSON. The artifact is the root package and contains everything
//! else; its namespace holds the artifact's digest, so that no two differ
//! under one name.

use super::{Described, DescribedAgent, Subject, bytes, purl, sha256, tool, url};
use crate::assemble::rfc3339;
use crate::contents::{Contents, Entry};
use crate::manifest::PackageRecord;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const ROOT: &str = "SPDXRef-Artifact";
const AGENT: &str = "SPDXRef-Agent";
const NAMESPACE: &str = "https://katacontainers.io/spdx";

/// The bytes of `<artifact>.spdx.json`.
///
/// Files are listed only where they are privileged: these are what a reviewer
/// asks for, and the list of contents has the rest.
#[must_use]
pub fn spdx(subject: &Subject<'_>) -> Vec<u8> {
    let described = &subject.described;
    let artifact = described.artifact;
    let mut names = Identifiers::default();
    let mut packages = vec![root(described)];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", ROOT)];
    if let Some(inside) = &described.agent {
        packages.push(agent(inside));
        relations.push(relation(ROOT, "CONTAINS", AGENT));
    }
    for record in described.packages {
        let id = names.make(&format!("Package-{}-{}", record.name, record.architecture));
        packages.push(package(subject, record, &id));
        relations.push(relation(ROOT, "CONTAINS", &id));
    }
    let files: Vec<Value> = subject
        .contents
        .into_iter()
        .flat_map(privileged)
        .map(|entry| {
            let id = names.make(&format!("File-{}", entry.path.trim_start_matches('/')));
            // Not CONTAINS from the artifact: SPDX forbids that where a package's
            // files were not all listed.
            relations.push(relation("SPDXRef-DOCUMENT", "DESCRIBES", &id));
            file(entry, &id)
        })
        .collect();
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": artifact.file,
        "documentNamespace": format!("{NAMESPACE}/{}-{}", artifact.file, artifact.sha256),
        "creationInfo": {
            "created": rfc3339(described.source_date_epoch),
            "creators": [format!("Tool: {}", tool(described))],
        },
        "packages": packages,
        "relationships": relations,
    });
    if !files.is_empty() {
        document["files"] = files.into();
    }
    bytes(&document)
}

/// Files with more rights than their caller.
fn privileged(contents: &Contents) -> impl Iterator<Item = &Entry> {
    contents.entries.iter().filter(|entry| entry.is_privileged())
}

fn root(described: &Described<'_>) -> Value {
    let artifact = described.artifact;
    let purpose = if described.bootable { "OPERATING-SYSTEM" } else { "ARCHIVE" };
    json!({
        "SPDXID": ROOT,
        "name": artifact.file,
        "versionInfo": described.version,
        "packageFileName": artifact.file,
        "supplier": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": purpose,
        "checksums": [checksum(&artifact.sha256)],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    })
}

fn agent(inside: &DescribedAgent<'_>) -> Value {
    json!({
        "SPDXID": AGENT,
        "name": "kata-agent",
        "versionInfo": inside.version,
        "supplier": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "APPLICATION",
        "checksums": [checksum(inside.sha256)],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
    })
}

fn package(subject: &Subject<'_>, record: &PackageRecord, id: &str) -> Value {
    let described = &subject.described;
    let (name, version, architecture) = (&record.name, &record.version, &record.architecture);
    let locator =
        purl(subject.kind, described.distro, described.version, (name, version, architecture));
    let mut package = json!({
        "SPDXID": id,
        "name": name,
        "versionInfo": version,
        "supplier": format!("Organization: {}", described.distro),
        "downloadLocation": url(described.mirror, record).unwrap_or_else(|| "NOASSERTION".to_owned()),
        "filesAnalyzed": false,
        "sourceInfo": format!("built from source package {}", record.source),
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "comment": record.because,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": locator,
        }],
    });
    if let Some(sha256) = sha256(record) {
        package["checksums"] = json!([checksum(sha256)]);
    }
    if let Some(license) = &record.license {
        // A distro's own words: many are no SPDX expression, so none is claimed.
        package["licenseComments"] = json!(format!("the repository says {license}"));
    }
    package
}

fn file(entry: &Entry, id: &str) -> Value {
    let mut value = Map::new();
    value.insert("SPDXID".into(), id.into());
    value.insert("fileName".into(), format!(".{}", entry.path).into());
    let sha1 = entry.sha1.iter().map(|sha1| json!({"algorithm": "SHA1", "checksumValue": sha1}));
    let sha256 = entry.sha256.iter().map(|sha256| checksum(sha256));
    value.insert("checksums".into(), sha1.chain(sha256).collect::<Vec<_>>().into());
    for key in ["licenseConcluded", "copyrightText"] {
        value.insert(key.into(), "NOASSERTION".into());
    }
    let rights = if entry.xattrs.is_empty() {
        format!("mode {}", entry.mode)
    } else {
        format!("mode {}, {}", entry.mode, entry.xattrs.join(", "))
    };
    value.insert("comment".into(), format!("privileged: {rights}; {}", entry.origin).into());
    Value::Object(value)
}

fn checksum(sha256: &str) -> Value {
    json!({"algorithm": "SHA256", "checksumValue": sha256})
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// Gives out identifiers: letters, digits, `.` and `-` only, none twice.
#[derive(Default)]
struct Identifiers {
    given: BTreeSet<String>,
}

impl Identifiers {
    fn make(&mut self, name: &str) -> String {
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() || ".-".contains(letter) { letter } else { '-' }
        };
        let base = format!("SPDXRef-{}", name.chars().map(plain).collect::<String>());
        let mut id = base.clone();
        let mut number = 2_usize;
        while !self.given.insert(id.clone()) {
            id = format!("{base}-{number}");
            number += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_legal_and_unique() {
        let mut names = Identifiers::default();
        assert_eq!(names.make("Package-g++"), "SPDXRef-Package-g--");
        assert_eq!(names.make("Package-g__"), "SPDXRef-Package-g---2");
        assert_eq!(names.make("File-ü/é"), "SPDXRef-File----");
    }
}
