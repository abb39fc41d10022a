//! One build from end to end: the only place that knows the order of steps.

use crate::assemble::assemble;
use crate::chosen::Chosen;
use crate::contents::Contents;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::inputs::{self, Inputs};
use crate::lock::{LockPlace, Open, Policy};
use crate::manifest::Manifest;
use crate::mirrors::{self, MirrorChoice, Mirrors};
use crate::output::digest_file;
use crate::reasons::Reasons;
use crate::release::{Origins, Release};
use crate::sbom;
use crate::write::write_artifact;
use artifact_store::{Progress, Store, without_password};
use recipe::{Choice, Form, FormChoice, Init, Recipe, Selection, Type};
use std::fs;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// The agent to put into the guest; the default is none, for what has no agent.
#[derive(Debug, Clone, Default)]
pub struct Agent {
    /// Its version.
    pub version: String,
    /// The static binary.
    pub binary: Vec<u8>,
    /// SHA-256 of the binary.
    pub sha256: [u8; 32],
}

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildRequest<'a> {
    /// The folder `recipes/`.
    pub recipes: &'a Path,
    /// The recipe's name.
    pub distro: &'a str,
    /// Initrd or image; the recipe's default where `None`.
    pub r#type: Option<Type>,
    /// PID 1; the recipe's default for the type where `None`.
    pub init: Option<Init>,
    /// File system and compression, where not the recipe's.
    pub form: FormChoice,
    /// Variant of the recipe, if any.
    pub variant: Option<&'a str>,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Mirrors and keys.
    pub mirrors: MirrorChoice,
    /// The agent.
    pub agent: &'a Agent,
    /// Where artifact and manifest go.
    pub out: &'a Path,
    /// Whether the lock is brought up to date first, and the artifact built even
    /// if nothing changed.
    pub update: bool,
    /// Whether a missing lock is an error, and not made.
    pub locked: bool,
    /// A folder of locks in place of the usual ones.
    pub locks: Option<&'a Path>,
    /// Text of the versions database, where the caller used one; named in the
    /// provenance.
    pub versions: Option<&'a [u8]>,
    /// Whether an image gets a dm-verity tree in a second partition.
    pub verity: bool,
    /// Whether a CycloneDX bill of materials is written beside the SPDX one.
    pub cyclonedx: bool,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The initrd or image.
    pub artifact: PathBuf,
    /// Its manifest.
    pub manifest_file: PathBuf,
    /// The manifest's content.
    pub manifest: Manifest,
    /// Whether it was there already, from the same inputs.
    pub unchanged: bool,
}

/// Builds a guest, or finds it built.
///
/// # Errors
/// See [`BuildError`]; nothing half-written is left.
pub fn build(
    request: &BuildRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Built, BuildError> {
    let folder = RecipeFolder::load(request.recipes, request.distro)?;
    let BuildRequest { r#type, init, variant, form, .. } = *request;
    let choice = Choice { r#type, init, variant, form };
    let selection = folder.recipe.choose(&choice, request.architecture)?;
    let mirrors = mirrors::choose(&folder, request.architecture, &request.mirrors)?;
    let place = LockPlace::of(&folder, request.architecture, request.locks, &mirrors);
    let policy = Policy::of(request.update, request.locked);
    let open = Open { folder: &folder, architecture: request.architecture, mirrors: &mirrors };
    let (lock, fresh) = open.obtain(&place, policy, store, progress)?;
    let chosen = Chosen::of(&lock, &place, &folder, &selection, &mirrors)?;
    let inputs = Inputs::of(&folder, &selection, &chosen.sha256(), request);
    let artifact = request.out.join(file_name(&folder.recipe, &selection));
    let reasons = Reasons::new(store, &artifact);
    reasons.say("lock", &policy.words(place.shown(), fresh));
    let manifest_file = with_suffix(&artifact, ".manifest.json");
    let stands = |ending: &&str| with_suffix(&artifact, ending).is_file();
    let described = sbom::endings(request.cyclonedx).iter().all(stands);
    if !request.update
        && described
        && let Some(manifest) = unchanged(&artifact, &manifest_file, &inputs.digest())
    {
        reasons.say("everything else", "not run, no input changed and all files are whole");
        return Ok(Built { artifact, manifest_file, manifest, unchanged: true });
    }
    announce(&folder, &mirrors);

    let blobs = chosen.fetch(fresh, store, progress)?;
    let fetched = blobs.iter().filter(|blob| blob.served_by.is_some()).count();
    reasons.say("fetch", &format!("{} held, {fetched} of them fetched now", blobs.len()));
    let (unpacked, anew) = chosen.unpack(&blobs, store)?;
    let held = unpacked.len() - anew;
    reasons.say("unpack", &format!("{anew} packages unpacked, {held} held in unpacked form"));
    let why = reasons.why_build(&inputs, artifact.is_file(), request.update);
    reasons.say("assemble", &why);
    let tree = assemble(&folder, &selection, unpacked, request.agent)?;
    let contents = Contents::of(&tree);
    reasons.say("write", "runs, as the tree was assembled anew");

    let packages = chosen.records();
    let identity = inputs::identity(&folder, &selection, &packages, request.agent);
    let (release, written, verity) = Release::write(&artifact, |file| {
        write_artifact(&tree, &folder.recipe, &selection.form, identity, request.verity, file)
    })?;
    reasons.say("describe", "runs, as the artifact was written anew");
    let manifest = Manifest {
        format: 1,
        artifact: written,
        distro: folder.recipe.name.clone(),
        version: folder.recipe.version.clone(),
        r#type: selection.r#type,
        init: selection.init,
        variant: selection.variant.clone(),
        architecture: selection.architecture.clone(),
        filesystem: image_form(&selection).map(|form| form.filesystem.to_string()),
        compression: image_form(&selection)
            .map(|form| form.compression)
            .filter(|packed| *packed != recipe::Compression::None),
        dax: image_form(&selection).map(recipe::ImageForm::dax),
        verity,
        kernel_parameters: selection.layer.kernel_parameters.clone(),
        source_date_epoch: folder.recipe.source_date_epoch,
        inputs: inputs.digest(),
        osbuilder: env!("CARGO_PKG_VERSION").to_owned(),
        agent_version: request.agent.version.clone(),
        agent_sha256: hex::encode(request.agent.sha256),
        mirror: chosen.mirror_record(&mirrors, &blobs),
        packages,
    };
    let (versions, cyclonedx) = (request.versions, request.cyclonedx);
    let origins = Origins { folder: &folder, lock: &lock, versions, cyclonedx };
    let manifest_file = release.publish(&manifest, &contents, &origins)?;
    reasons.remember(&inputs);
    reasons.say("publish", "every file of it is whole and took its name");
    Ok(Built { artifact, manifest_file, manifest, unchanged: false })
}

pub(crate) fn announce(folder: &RecipeFolder, mirrors: &Mirrors) {
    let Some(first) = mirrors.urls.first() else { return };
    let chosen_by = mirrors.chosen_by(first);
    let first = without_password(first);
    let text = format!("{}: packages from {first} ({chosen_by})", folder.recipe.name);
    if chosen_by.starts_with("a rebuilt mirror") {
        warn!("{text}");
    } else {
        info!("{text}");
    }
}

fn image_form(selection: &Selection) -> Option<&recipe::ImageForm> {
    match &selection.form {
        Form::Image(form) => Some(form),
        _ => None,
    }
}

/// `kata-<distro>-<version>[-<init>][-<variant>][-<form>].<initrd|img|tar>`; init
/// and form are named where they are not the recipe's usual ones, so that all can
/// stand side by side.
pub(crate) fn file_name(recipe: &Recipe, selection: &Selection) -> String {
    let usual = recipe.usual_init(selection.r#type) == selection.init;
    let init = if usual { String::new() } else { format!("-{}", selection.init) };
    let extension = match selection.r#type {
        Type::Initrd => "initrd",
        Type::Image => "img",
        Type::Tar => "tar",
    };
    let variant = selection.variant.as_ref().map(|name| format!("-{name}")).unwrap_or_default();
    let form = recipe.form_suffix(&selection.form);
    format!("kata-{}-{}{init}{variant}{form}.{extension}", recipe.name, recipe.version)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The manifest of an artifact that was made from the same inputs and is
/// still, byte for byte, what the manifest says.
fn unchanged(artifact: &Path, manifest_file: &Path, inputs: &str) -> Option<Manifest> {
    let text = fs::read(manifest_file).ok()?;
    let manifest: Manifest = serde_json::from_slice(&text).ok()?;
    if manifest.inputs != inputs {
        return None;
    }
    let (sha256, size) = digest_file(artifact).ok()?;
    (size == manifest.artifact.size && hex::encode(sha256) == manifest.artifact.sha256)
        .then_some(manifest)
}
