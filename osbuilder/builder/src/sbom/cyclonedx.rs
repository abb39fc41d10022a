//! CycloneDX 1.6 as JSON: the artifact is the component that the bill is
//! about, packages and the agent are its components.

use super::{Described, Subject, bytes, purl, sha256, url};
use crate::assemble::rfc3339;
use crate::manifest::PackageRecord;
use serde_json::{Value, json};

const ROOT: &str = "artifact";
const AGENT: &str = "agent";

/// The bytes of `<artifact>.cdx.json`.
#[must_use]
pub fn cyclonedx(subject: &Subject<'_>) -> Vec<u8> {
    let described = &subject.described;
    let artifact = described.artifact;
    let mut components = Vec::new();
    let mut edges: Vec<(String, Vec<String>)> = Vec::new();
    let mut direct = Vec::new();
    if let Some(agent) = &described.agent {
        components.push(json!({
            "type": "application",
            "bom-ref": AGENT,
            "name": "kata-agent",
            "version": agent.version,
            "hashes": [hash(agent.sha256)],
            "licenses": [{"license": {"id": "Apache-2.0"}}],
        }));
        direct.push(AGENT.to_owned());
    }
    for record in described.packages {
        components.push(component(subject, record));
        let reference = reference(subject, record);
        let needs = described.packages.iter().filter(|other| {
            other.needed_by.as_deref() == Some(record.name.as_str()) && other.name != record.name
        });
        if record.needed_by.is_none() {
            direct.push(reference.clone());
        }
        edges.push((reference, needs.map(|other| self::reference(subject, other)).collect()));
    }
    let dependencies: Vec<Value> = std::iter::once((ROOT.to_owned(), direct))
        .chain(edges)
        .map(|(from, to)| json!({"ref": from, "dependsOn": to}))
        .collect();
    bytes(&json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&artifact.sha256)),
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(described.source_date_epoch),
            "tools": {"components": [{
                "type": "application",
                "name": "osbuilder",
                "version": described.osbuilder,
            }]},
            "component": {
                "type": if described.bootable { "operating-system" } else { "file" },
                "bom-ref": ROOT,
                "name": artifact.file,
                "version": described.version,
                "hashes": [hash(&artifact.sha256)],
                "properties": properties(subject),
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn properties(subject: &Subject<'_>) -> Vec<Value> {
    let property =
        |name: &str, value: &str| json!({"name": format!("osbuilder:{name}"), "value": value});
    let own = subject.described.properties.iter();
    let mut all: Vec<Value> = own.map(|(name, value)| property(name, value)).collect();
    let privileged = subject.contents.into_iter().flat_map(|contents| &contents.privileged);
    all.extend(privileged.map(|path| property("privileged", path)));
    all
}

fn component(subject: &Subject<'_>, record: &PackageRecord) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(subject, record),
        "name": record.name,
        "version": record.version,
        "purl": reference(subject, record),
        "properties": [{"name": "osbuilder:because", "value": record.because}],
    });
    if let Some(sha256) = sha256(record) {
        component["hashes"] = json!([hash(sha256)]);
    }
    if let Some(license) = &record.license {
        component["licenses"] = json!([{"license": {"name": license}}]);
    }
    if let Some(url) = url(subject.described.mirror, record) {
        component["externalReferences"] = json!([{"type": "distribution", "url": url}]);
    }
    component
}

fn reference(subject: &Subject<'_>, record: &PackageRecord) -> String {
    let Described { distro, version, .. } = subject.described;
    purl(subject.kind, distro, version, (&record.name, &record.version, &record.architecture))
}

fn hash(sha256: &str) -> Value {
    json!({"alg": "SHA-256", "content": sha256})
}

/// A version 8 UUID out of a hexadecimal digest.
fn uuid(sha256: &str) -> String {
    let digits: String = sha256.chars().chain("0".repeat(32).chars()).take(32).collect();
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}
