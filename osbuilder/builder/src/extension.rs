//! Extension images: packages and files that a guest gets beside its own, as an
//! erofs filesystem with its dm-verity tree on a disk of its own. Made from the
//! `extensions` of a recipe by the same steps as a guest; an extension has no agent,
//! no accounts and no init. It must not know how a guest mounts it.

use crate::assemble::assemble_extension;
use crate::build::{Agent, announce, with_suffix};
use crate::chosen::Chosen;
use crate::contents::Contents;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::inputs::{self, Inputs};
use crate::lock::{LockPlace, Open, Policy};
use crate::manifest::{Artifact, MirrorRecord, PackageRecord};
use crate::mirrors::{self, MirrorChoice};
use crate::output::digest_file;
use crate::release::{Origins, Release};
use crate::sbom;
use crate::write::uuid;
use artifact_store::{Progress, Store};
use image::{DiskOptions, ErofsCompression, ErofsOptions, ImageError, VerityTree};
use rootfs::Tree;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that an image's size is a multiple of: a block of the filesystem.
const ALIGN: u64 = 4096;

/// What to build.
#[derive(Debug, Clone)]
pub struct ExtensionRequest<'a> {
    /// The folder `recipes/`.
    pub recipes: &'a Path,
    /// The recipe's name.
    pub distro: &'a str,
    /// The extension's name in that recipe.
    pub name: &'a str,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Mirrors and keys.
    pub mirrors: MirrorChoice,
    /// Where image and manifest go.
    pub out: &'a Path,
    /// A folder of locks in place of the usual one.
    pub locks: Option<&'a Path>,
    /// Whether an image of the same inputs is built anew, from the index of today.
    pub update: bool,
    /// Whether a missing lock is an error.
    pub locked: bool,
    /// Text of the versions database, where the caller used one; named in the
    /// provenance.
    pub versions: Option<&'a [u8]>,
    /// Whether a CycloneDX bill of materials is written beside the SPDX one.
    pub cyclonedx: bool,
}

/// `kata-extension-<name>-<distro>-<version>.img.manifest.json`: what a runtime has
/// to know of an extension, and what went into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExtensionManifest {
    /// Version of this form, 1.
    pub format: u32,
    /// The image itself.
    pub artifact: Artifact,
    /// The extension's name.
    pub extension: String,
    /// Serial number that the disk must have.
    pub serial: String,
    /// Digest that vouches for everything, hexadecimal.
    pub root_hash: String,
    /// `verity_params` of the runtime's configuration.
    pub verity_params: String,
    /// The kernel parameter that says the same.
    pub kernel_parameter: String,
    /// Recipe it was built from.
    pub distro: String,
    /// The recipe's version.
    pub version: String,
    /// Our name of the architecture.
    pub architecture: String,
    /// Its filesystem.
    pub filesystem: String,
    /// No timestamp in it is later.
    pub source_date_epoch: i64,
    /// SHA-256 over everything that the build was told.
    pub inputs: String,
    /// Version of osbuilder.
    pub osbuilder: String,
    /// Where the packages came from.
    pub mirror: MirrorRecord,
    /// Every package in it, by name.
    pub packages: Vec<PackageRecord>,
}

impl ExtensionManifest {
    /// The manifest that stands beside `image`.
    ///
    /// # Errors
    /// One clause when there is none that can be read.
    pub fn beside(image: &Path) -> Result<Self, String> {
        let path = with_suffix(image, ".manifest.json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// What was built.
#[derive(Debug, Clone)]
pub struct BuiltExtension {
    /// The image.
    pub artifact: PathBuf,
    /// Its manifest.
    pub manifest_file: PathBuf,
    /// The manifest's content.
    pub manifest: ExtensionManifest,
    /// Whether it was there already, from the same inputs.
    pub unchanged: bool,
}

/// Builds an extension, or finds it built.
///
/// # Errors
/// See [`BuildError`]; nothing half-written is left.
pub fn build_extension(
    request: &ExtensionRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<BuiltExtension, BuildError> {
    let folder = RecipeFolder::load(request.recipes, request.distro)?;
    let selection = folder.recipe.select_extension(request.name, request.architecture)?;
    let mirrors = mirrors::choose(&folder, request.architecture, &request.mirrors)?;
    let place = LockPlace::of(&folder, request.architecture, request.locks, &mirrors);
    let policy = Policy::of(request.update, request.locked);
    let open = Open { folder: &folder, architecture: request.architecture, mirrors: &mirrors };
    let (lock, fresh) = open.obtain(&place, policy, store, progress)?;
    let chosen = Chosen::of(&lock, &place, &folder, &selection, &mirrors)?;
    let inputs = Inputs::of_extension(&folder, &selection, &chosen.sha256()).digest();
    let (name, recipe) = (request.name, &folder.recipe);
    let file = format!("kata-extension-{name}-{}-{}.img", recipe.name, recipe.version);
    let artifact = request.out.join(&file);
    let manifest_file = with_suffix(&artifact, ".manifest.json");
    let stands = |ending: &&str| with_suffix(&artifact, ending).is_file();
    if !request.update
        && sbom::endings(request.cyclonedx).iter().all(stands)
        && let Some(manifest) = unchanged(&artifact, &inputs)
    {
        return Ok(BuiltExtension { artifact, manifest_file, manifest, unchanged: true });
    }
    announce(&folder, &mirrors);
    let blobs = chosen.fetch(fresh, store, progress)?;
    let (unpacked, _) = chosen.unpack(&blobs, store)?;
    let tree = assemble_extension(&folder, &selection, unpacked)?;

    let packages = chosen.records();
    let identity = inputs::identity(&folder, &selection, &packages, &Agent::default());
    let (release, written, verity) = Release::write(&artifact, |mut image| {
        write(&tree, name, recipe.source_date_epoch, &identity, &mut image)
    })?;
    let parameters = verity.parameters();
    let manifest = ExtensionManifest {
        format: 1,
        artifact: written,
        extension: name.to_owned(),
        serial: format!("extension-{name}"),
        root_hash: hex::encode(verity.root_hash),
        kernel_parameter: format!("kata.extension.{name}.verity_params={parameters}"),
        verity_params: parameters,
        distro: recipe.name.clone(),
        version: recipe.version.clone(),
        architecture: selection.architecture.clone(),
        filesystem: "erofs".to_owned(),
        source_date_epoch: recipe.source_date_epoch,
        inputs,
        osbuilder: env!("CARGO_PKG_VERSION").to_owned(),
        mirror: chosen.mirror_record(&mirrors, &blobs),
        packages,
    };
    let (versions, cyclonedx) = (request.versions, request.cyclonedx);
    let origins = Origins { folder: &folder, lock: &lock, versions, cyclonedx };
    let manifest_file = release.publish(&manifest, &Contents::of(&tree), &origins)?;
    Ok(BuiltExtension { artifact, manifest_file, manifest, unchanged: false })
}

/// The manifest of an image that was made from the same inputs and is still what
/// the manifest says.
fn unchanged(artifact: &Path, inputs: &str) -> Option<ExtensionManifest> {
    let manifest = ExtensionManifest::beside(artifact).ok()?;
    let (sha256, size) = digest_file(artifact).ok()?;
    let same = manifest.inputs == inputs
        && manifest.artifact.size == size
        && manifest.artifact.sha256 == hex::encode(sha256);
    same.then_some(manifest)
}

/// Writes the filesystem into the first partition, its tree into the second. It is
/// a plain disk: no DAX, so the files are compressed.
fn write(
    tree: &Tree,
    name: &str,
    timestamp: i64,
    identity: &[u8; 32],
    file: &mut fs::File,
) -> Result<VerityTree, ImageError> {
    let filesystem = ErofsOptions {
        label: name.to_owned(),
        uuid: uuid(identity, 0),
        timestamp,
        compression: ErofsCompression::Lz4Hc,
        inline_tails: true,
    };
    let options = DiskOptions { dax_header: false, align_bytes: ALIGN };
    let disk = image::write_disk(tree, &filesystem, &options, file)?;
    // Other contents, other digests; the same contents twice, the same ones.
    let (_, verity) = image::add_verity(file, &disk, ALIGN, identity)?;
    Ok(verity)
}
