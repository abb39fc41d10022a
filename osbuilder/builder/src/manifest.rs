//! The manifest beside every artifact: what it is, what went into it and from
//! where. Machines read it (the boot check, the bundle); people too.

use recipe::{Compression, Init, Type};
use serde::{Deserialize, Serialize};

/// `kata-<distro>-<version>.<type>.manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this form, 1.
    pub format: u32,
    /// The artifact itself.
    pub artifact: Artifact,
    /// Recipe it was built from.
    pub distro: String,
    /// The recipe's version.
    pub version: String,
    /// Initrd or image.
    pub r#type: Type,
    /// PID 1 in it.
    pub init: Init,
    /// Variant of the recipe, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Our name of the architecture.
    pub architecture: String,
    /// Filesystem of an image.
    pub filesystem: Option<String>,
    /// How its files are compressed, if they are; the kernel must know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Whether a guest that has the image as an NVDIMM can map its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dax: Option<bool>,
    /// The dm-verity tree over the filesystem, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verity: Option<VerityRecord>,
    /// Parameters that the kernel needs to boot it.
    pub kernel_parameters: Vec<String>,
    /// No timestamp in the artifact is later.
    pub source_date_epoch: i64,
    /// SHA-256 over everything that the build was told: equal inputs give
    /// equal artifacts as long as the index below is the same.
    pub inputs: String,
    /// Version of osbuilder.
    pub osbuilder: String,
    /// Version of the agent inside.
    pub agent_version: String,
    /// SHA-256 of the agent inside.
    pub agent_sha256: String,
    /// Where the packages came from.
    pub mirror: MirrorRecord,
    /// Every package in it, by name.
    pub packages: Vec<PackageRecord>,
}

/// How a kernel checks the filesystem of an image: SHA-256 in blocks of 4096
/// bytes, the data in the first partition, the tree in the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerityRecord {
    /// Digest that vouches for everything, hexadecimal.
    pub root_hash: String,
    /// Salt, hexadecimal.
    pub salt: String,
    /// Blocks of data.
    pub data_blocks: u64,
    /// `kernel_verity_params` of the runtime's configuration.
    pub kernel_verity_params: String,
    /// Value of the kernel parameter `dm-mod.create` where the image is an NVDIMM.
    pub dm_create_nvdimm: String,
    /// The same where it is a virtio-blk disk.
    pub dm_create_virtio_blk: String,
}

/// The artifact file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Artifact {
    /// File name, beside the manifest.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The repository that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MirrorRecord {
    /// Base URL that served the index.
    pub url: String,
    /// Why this mirror: `--mirror`, the machine's apt configuration, the
    /// recipe, or a rebuilt mirror with its own key.
    pub chosen_by: String,
    /// What the index calls itself.
    pub description: String,
    /// Keys whose signatures held.
    pub signed_by: Vec<String>,
    /// SHA-256 of the signed index.
    pub index_sha256: String,
}

/// One package of the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageRecord {
    /// Name.
    pub name: String,
    /// Full version.
    pub version: String,
    /// The distro's architecture.
    pub architecture: String,
    /// Source package.
    pub source: String,
    /// `sha256:…` of the file, or `apk-control-sha1:…`.
    pub identity: String,
    /// What brought it in.
    pub because: String,
    /// The package that needs it; none where the recipe asks for it. A chain of
    /// these ends at a line of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// Path of its file below the mirror's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Bytes of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its licence as the index states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}
