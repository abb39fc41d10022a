//! The OCI image layout: files as one artefact that registries and their tools
//! carry, and a tree's tar archive as an ordinary image.
//!
//! A layout is a folder with an index, and blobs named by their digest. The
//! same files give the same folder, byte for byte. It must not know what the
//! files are: media types and titles come from the caller.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::image::{
    ANNOTATION_REF_NAME, ANNOTATION_TITLE, Arch, ConfigBuilder, Descriptor, HistoryBuilder,
    ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder, MediaType,
    OciLayoutBuilder, Os, RootFsBuilder, Sha256Digest,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Why a layout could not be written. The folder is then incomplete and must be
/// thrown away.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file that can't be read or written.
    #[error("{} can't be {action}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something the format can't say.
    #[error("the layout can't be described")]
    Form(#[from] OciSpecError),
    /// A description that is no JSON.
    #[error("the layout can't be described")]
    Json(#[from] serde_json::Error),
}

/// One file of an artefact.
#[derive(Clone, Debug)]
pub struct OciFile<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its name for whoever unpacks the artefact.
    pub title: &'a str,
    /// What it is: `application/vnd.…`.
    pub media_type: &'a str,
}

/// One manifest of the layout.
#[derive(Clone, Debug)]
pub struct OciEntry<'a> {
    /// The tag by which it is found: letters, digits, `.`, `_`, `-`.
    pub tag: &'a str,
    /// Type of the artefact; none for an image, whose files are then
    /// uncompressed tar archives of type [`LAYER`].
    pub artifact_type: Option<&'a str>,
    /// Architecture in Linux's words, such as `x86_64`.
    pub architecture: &'a str,
    /// When it came to be, in the words of RFC 3339; some readers rely on it.
    pub created: &'a str,
    /// Its files, in order.
    pub files: Vec<OciFile<'a>>,
    /// What else is known of it, by key.
    pub annotations: BTreeMap<String, String>,
}

/// Media type of an uncompressed tar archive that is a layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Writes a layout into an existing, empty folder.
///
/// # Errors
///
/// A file that can't be read, or a folder that can't be written.
pub fn write_layout(folder: &Path, entries: &[OciEntry<'_>]) -> Result<(), OciError> {
    let layout = Layout { folder, blobs: folder.join("blobs/sha256") };
    fs::create_dir_all(&layout.blobs).map_err(failed("made", &layout.blobs))?;
    let mut manifests = Vec::new();
    for entry in entries {
        let mut manifest = layout.manifest(entry)?;
        let tag = (ANNOTATION_REF_NAME.to_owned(), entry.tag.to_owned());
        manifest.set_annotations(Some(HashMap::from([tag])));
        manifests.push(manifest);
    }
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()?;
    layout.put("index.json", &json(&index)?)?;
    let marker = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
    layout.put("oci-layout", &json(&marker)?)
}

struct Layout<'a> {
    folder: &'a Path,
    blobs: PathBuf,
}

impl Layout<'_> {
    fn manifest(&self, entry: &OciEntry<'_>) -> Result<Descriptor, OciError> {
        let mut layers = Vec::new();
        for file in &entry.files {
            let (digest, size) = self.copy(file.path)?;
            let mut layer = Descriptor::new(MediaType::from(file.media_type), size, digest);
            let title = (ANNOTATION_TITLE.to_owned(), file.title.to_owned());
            layer.set_annotations(Some(HashMap::from([title])));
            layers.push(layer);
        }
        // Also an artefact gets the configuration of an image: tools that know
        // only images then show it, and it says for which machine it is.
        let digests: Vec<String> = layers.iter().map(|layer| layer.digest().to_string()).collect();
        let history = |file: &OciFile<'_>| {
            HistoryBuilder::default()
                .created(entry.created.to_owned())
                .created_by(file.title.to_owned())
                .build()
        };
        let config = ImageConfigurationBuilder::default()
            .architecture(Arch::from(go_architecture(entry.architecture)))
            .os(Os::Linux)
            .created(entry.created.to_owned())
            .config(ConfigBuilder::default().build()?)
            .rootfs(RootFsBuilder::default().typ("layers").diff_ids(digests).build()?)
            .history(entry.files.iter().map(history).collect::<Result<Vec<_>, _>>()?)
            .build()?;
        let config = self.blob(MediaType::ImageConfig, &json(&config)?)?;
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageManifest)
            .config(config)
            .layers(layers);
        if let Some(artifact_type) = entry.artifact_type {
            manifest = manifest.artifact_type(MediaType::from(artifact_type));
        }
        if !entry.annotations.is_empty() {
            manifest = manifest
                .annotations(entry.annotations.clone().into_iter().collect::<HashMap<_, _>>());
        }
        self.blob(MediaType::ImageManifest, &json(&manifest.build()?)?)
    }

    /// Copies a file among the blobs; its digest and size.
    fn copy(&self, path: &Path) -> Result<(Sha256Digest, u64), OciError> {
        let reading = failed("read", path);
        let mut from = BufReader::with_capacity(1 << 20, File::open(path).map_err(&reading)?);
        let partial = self.blobs.join("partial");
        let writing = failed("written", &partial);
        let mut to = File::create(&partial).map_err(&writing)?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = from.read(&mut buffer).map_err(&reading)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            to.write_all(&buffer[..count]).map_err(&writing)?;
            size += count as u64;
        }
        let digest = hex::encode(hasher.finalize());
        fs::rename(&partial, self.blobs.join(&digest)).map_err(&writing)?;
        Ok((digest.parse()?, size))
    }

    fn blob(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, OciError> {
        let digest = hex::encode(Sha256::digest(bytes));
        self.put(&format!("blobs/sha256/{digest}"), bytes)?;
        Ok(Descriptor::new(media_type, bytes.len() as u64, digest.parse::<Sha256Digest>()?))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), OciError> {
        let path = self.folder.join(name);
        fs::write(&path, bytes).map_err(failed("written", &path))
    }
}

/// JSON with sorted keys: the format's own types keep annotations in no order.
fn json(value: &impl Serialize) -> Result<Vec<u8>, OciError> {
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}

/// Container images name machines as Go does.
fn go_architecture(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> OciError {
    let path = path.to_owned();
    move |source| OciError::Io { action, path: path.clone(), source }
}
