//! CycloneDX 1.6 as JSON: the artifact is the component that the bill is
//! about, packages and the agent are its components.

use super::{Subject, bytes, purl, sha256, url};
use crate::assemble::rfc3339;
use crate::manifest::{Manifest, PackageRecord};
use serde_json::{Value, json};

const ROOT: &str = "artifact";
const AGENT: &str = "agent";

/// The bytes of `<artifact>.cdx.json`.
#[must_use]
pub fn cyclonedx(subject: &Subject<'_>) -> Vec<u8> {
    let manifest = subject.manifest;
    let artifact = &manifest.artifact;
    let mut components = vec![json!({
        "type": "application",
        "bom-ref": AGENT,
        "name": "kata-agent",
        "version": manifest.agent_version,
        "hashes": [hash(&manifest.agent_sha256)],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    })];
    let mut edges: Vec<(String, Vec<String>)> = Vec::new();
    let mut direct = vec![AGENT.to_owned()];
    for record in &manifest.packages {
        components.push(component(subject, record));
        let reference = reference(subject, record);
        let needs = manifest.packages.iter().filter(|other| {
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
            "timestamp": rfc3339(manifest.source_date_epoch),
            "tools": {"components": [{
                "type": "application",
                "name": "osbuilder",
                "version": manifest.osbuilder,
            }]},
            "component": {
                "type": "operating-system",
                "bom-ref": ROOT,
                "name": artifact.file,
                "version": manifest.version,
                "hashes": [hash(&artifact.sha256)],
                "properties": properties(subject),
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn properties(subject: &Subject<'_>) -> Vec<Value> {
    let manifest = subject.manifest;
    let property =
        |name: &str, value: &str| json!({"name": format!("osbuilder:{name}"), "value": value});
    let mut all = vec![
        property("architecture", &manifest.architecture),
        property("init", &manifest.init.to_string()),
        property("type", &manifest.r#type.to_string()),
    ];
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
    if let Some(url) = url(subject.manifest, record) {
        component["externalReferences"] = json!([{"type": "distribution", "url": url}]);
    }
    component
}

fn reference(subject: &Subject<'_>, record: &PackageRecord) -> String {
    let Manifest { distro, version, .. } = subject.manifest;
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
