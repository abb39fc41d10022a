//! What bills and provenance tell of an artifact, whatever kind of manifest it
//! has: a guest's or an extension's. It must not know any of their forms.

use crate::extension::ExtensionManifest;
use crate::manifest::{Artifact, Manifest, MirrorRecord, PackageRecord};
use serde_json::{Value, json};

/// The agent inside, where there is one.
#[derive(Debug, Clone, Copy)]
pub struct DescribedAgent<'a> {
    /// Its version.
    pub version: &'a str,
    /// SHA-256 of the binary, hexadecimal.
    pub sha256: &'a str,
}

/// An artifact as its manifest describes it.
#[derive(Debug, Clone)]
pub struct Described<'a> {
    /// The file.
    pub artifact: &'a Artifact,
    /// Recipe it was built from.
    pub distro: &'a str,
    /// The recipe's version.
    pub version: &'a str,
    /// No timestamp in it is later.
    pub source_date_epoch: i64,
    /// Version of osbuilder.
    pub osbuilder: &'a str,
    /// The agent inside, if any.
    pub agent: Option<DescribedAgent<'a>>,
    /// Where the packages came from.
    pub mirror: &'a MirrorRecord,
    /// Every package in it.
    pub packages: &'a [PackageRecord],
    /// Whether it is what a guest boots from.
    pub bootable: bool,
    /// What else tells it from others of the recipe, by name.
    pub properties: Vec<(&'static str, String)>,
    /// What the builder was told, for the provenance.
    pub parameters: Value,
}

impl<'a> From<&'a Manifest> for Described<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        Self {
            artifact: &manifest.artifact,
            distro: &manifest.distro,
            version: &manifest.version,
            source_date_epoch: manifest.source_date_epoch,
            osbuilder: &manifest.osbuilder,
            agent: Some(DescribedAgent {
                version: &manifest.agent_version,
                sha256: &manifest.agent_sha256,
            }),
            mirror: &manifest.mirror,
            packages: &manifest.packages,
            bootable: true,
            properties: vec![
                ("architecture", manifest.architecture.clone()),
                ("init", manifest.init.to_string()),
                ("type", manifest.r#type.to_string()),
            ],
            parameters: json!({
                "distro": manifest.distro,
                "version": manifest.version,
                "type": manifest.r#type,
                "init": manifest.init,
                "variant": manifest.variant,
                "verity": manifest.verity.is_some(),
                "architecture": manifest.architecture,
                "filesystem": manifest.filesystem,
                "compression": manifest.compression,
            }),
        }
    }
}

impl<'a> From<&'a ExtensionManifest> for Described<'a> {
    fn from(manifest: &'a ExtensionManifest) -> Self {
        Self {
            artifact: &manifest.artifact,
            distro: &manifest.distro,
            version: &manifest.version,
            source_date_epoch: manifest.source_date_epoch,
            osbuilder: &manifest.osbuilder,
            agent: None,
            mirror: &manifest.mirror,
            packages: &manifest.packages,
            bootable: false,
            properties: vec![
                ("architecture", manifest.architecture.clone()),
                ("extension", manifest.extension.clone()),
            ],
            parameters: json!({
                "distro": manifest.distro,
                "version": manifest.version,
                "extension": manifest.extension,
                "verity": true,
                "architecture": manifest.architecture,
                "filesystem": manifest.filesystem,
            }),
        }
    }
}
