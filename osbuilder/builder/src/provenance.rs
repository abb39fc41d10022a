//! Where an artifact came from: an in-toto Statement v1 with a SLSA provenance
//! v1 predicate, `<artifact>.provenance.json`.
//!
//! It names every input with its digest and no clock, machine or user, so that
//! a second build of the same inputs gives the same statement. It is not
//! signed: whoever publishes the artifact signs it.
//!
//! For whoever builds: `statement(&described, &materials(&folder, &lock, versions))`.

use crate::folder::RecipeFolder;
use crate::manifest::{MirrorRecord, PackageRecord};
use crate::sbom::{Described, url};
use recipe::Lock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What `externalParameters` mean; a change of their meaning changes the URI.
pub const BUILD_TYPE: &str = "https://katacontainers.io/osbuilder/recipe/v1";

/// Who built it: the program, since nothing of the machine reaches an artifact.
pub const BUILDER: &str = "https://katacontainers.io/osbuilder";

/// A file that the build was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Its path in the repository, such as `recipes/debian/recipe.yaml`.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

impl Material {
    /// A material with these bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self { name: name.into(), sha256: hex::encode(Sha256::digest(bytes)) }
    }
}

/// The recipe, its lock, every file and key that it names, and the versions
/// database where the caller used one.
#[must_use]
pub fn materials(folder: &RecipeFolder, lock: &Lock, versions: Option<&[u8]>) -> Vec<Material> {
    let mut materials = vec![Material::new(&folder.file, folder.text.as_bytes())];
    // By the place it belongs to, wherever it lay.
    let name = format!("recipes/{}/lock/{}.yaml", lock.distro, lock.architecture);
    materials.push(Material::new(name, lock.to_text().as_bytes()));
    let parents = folder.parents.iter();
    materials.extend(parents.map(|(file, text)| Material::new(file, text.as_bytes())));
    let files = folder.files.iter();
    materials.extend(files.map(|(n, text)| Material::new(folder.place_of(n), text.as_bytes())));
    let keys = folder.key_places.iter().zip(&folder.keys);
    materials.extend(keys.map(|(place, (_, bytes))| Material::new(place, bytes)));
    materials.extend(versions.map(|bytes| Material::new("versions.yaml", bytes)));
    materials.sort_by(|a, b| a.name.cmp(&b.name));
    materials.dedup();
    materials
}

/// The bytes of `<artifact>.provenance.json`.
#[must_use]
pub fn statement(described: &Described<'_>, materials: &[Material]) -> Vec<u8> {
    let mut resolved: Vec<Value> =
        materials.iter().map(|m| dependency(&m.name, &[("sha256", &m.sha256)])).collect();
    resolved.push(dependency("osbuilder/sources", &[("sha256", env!("OSBUILDER_SOURCES"))]));
    let agent = described.agent.iter();
    resolved.extend(agent.map(|agent| dependency("kata-agent", &[("sha256", agent.sha256)])));
    let mirror = described.mirror;
    let mut index = dependency("package-index", &[("sha256", &mirror.index_sha256)]);
    if mirror.url.starts_with("http") {
        index["uri"] = json!(mirror.url);
    }
    index["annotations"] = json!({
        "description": mirror.description,
        "signed-by": mirror.signed_by,
    });
    resolved.push(index);
    resolved.extend(described.packages.iter().map(|record| package(mirror, record)));
    let document = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": described.artifact.file,
            "digest": {"sha256": described.artifact.sha256},
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": described.parameters,
                "internalParameters": {
                    "source-date-epoch": described.source_date_epoch,
                },
                "resolvedDependencies": resolved,
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"osbuilder": described.osbuilder}},
            },
        },
    });
    format!("{document:#}\n").into_bytes()
}

fn dependency(name: &str, digests: &[(&str, &str)]) -> Value {
    let digest: serde_json::Map<String, Value> =
        digests.iter().map(|(kind, hex)| ((*kind).to_owned(), json!(hex))).collect();
    json!({"name": name, "digest": digest})
}

/// A package with the digest that the signed index proves it by. An apk index
/// gives SHA-1 of the control segment, which is no digest of the whole file and
/// so goes by a name of its own.
fn package(mirror: &MirrorRecord, record: &PackageRecord) -> Value {
    let (kind, digest) = record.identity.split_once(':').unwrap_or(("", &record.identity));
    let kind = match kind {
        "apk-control-sha1" => "apkControlSha1",
        kind => kind,
    };
    let name = format!("{} {} {}", record.name, record.version, record.architecture);
    let mut value = dependency(&name, &[(kind, digest)]);
    if let Some(url) = url(mirror, record) {
        value["uri"] = json!(url);
    }
    value
}
