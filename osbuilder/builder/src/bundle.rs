//! Kernel, guest and manifest as one OCI artefact, and the guest's tree as an
//! image beside it: what these files are called where registries carry them.
//!
//! It must not know registries, nor how a layout is written.

use crate::assemble::rfc3339;
use crate::error::BuildError;
use crate::manifest::Manifest;
use crate::output::PartialFolder;
use image::oci::{LAYER, OciEntry, OciError, OciFile, write_layout};
use recipe::Type;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Type of the artefact.
pub const ARTIFACT: &str = "application/vnd.kata-containers.guest.v1";
/// Tag of the artefact.
pub const GUEST_TAG: &str = "guest";
/// Tag of the tree's image.
pub const ROOTFS_TAG: &str = "rootfs";

/// What goes into a layout.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    /// The image or initrd, with its manifest beside it.
    pub artifact: &'a Path,
    /// The kernel that boots it.
    pub kernel: &'a Path,
    /// The tree as a tar archive, if it is wanted as an image too.
    pub rootfs: Option<&'a Path>,
}

impl Bundle<'_> {
    /// Writes the layout into `folder`, all of it or nothing; a layout that is
    /// there gives way.
    ///
    /// # Errors
    /// A file that is missing or can't be read, a folder that holds something
    /// else or can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), BuildError> {
        let mut manifest_file = self.artifact.as_os_str().to_owned();
        manifest_file.push(".manifest.json");
        let manifest_file = PathBuf::from(manifest_file);
        for path in [Some(self.artifact), Some(self.kernel), self.rootfs, Some(&*manifest_file)] {
            if let Some(path) = path.filter(|path| !path.is_file()) {
                return Err(BuildError::BundleFile { path: path.to_owned() });
            }
        }
        let text = fs::read(&manifest_file).map_err(|source| BuildError::Io {
            action: "reading",
            path: manifest_file.clone(),
            source,
        })?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|source| BuildError::BundleManifest { path: manifest_file.clone(), source })?;
        let (title, kernel) = (name(self.artifact), name(self.kernel));
        let manifest_title = name(&manifest_file);
        let created = rfc3339(manifest.source_date_epoch);
        let guest_type = match manifest.r#type {
            Type::Initrd => "application/vnd.kata-containers.initrd.v1",
            Type::Image => "application/vnd.kata-containers.image.v1",
            Type::Tar => LAYER,
        };
        let file = |path, title, media_type| OciFile { path, title, media_type };
        let mut entries = vec![OciEntry {
            tag: GUEST_TAG,
            artifact_type: Some(ARTIFACT),
            architecture: &manifest.architecture,
            created: &created,
            files: vec![
                file(self.kernel, &kernel, "application/vnd.kata-containers.kernel.v1"),
                file(self.artifact, &title, guest_type),
                file(
                    &manifest_file,
                    &manifest_title,
                    "application/vnd.kata-containers.manifest.v1+json",
                ),
            ],
            annotations: annotations(&manifest),
        }];
        let rootfs_title = self.rootfs.map(name).unwrap_or_default();
        if let Some(rootfs) = self.rootfs {
            entries.push(OciEntry {
                tag: ROOTFS_TAG,
                artifact_type: None,
                architecture: &manifest.architecture,
                created: &created,
                files: vec![file(rootfs, &rootfs_title, LAYER)],
                annotations: annotations(&manifest),
            });
        }
        let partial = PartialFolder::create(folder, "oci-layout")?;
        write_layout(partial.path(), &entries).map_err(|error| match error {
            OciError::Io { action: "written" | "made", path, source } => {
                BuildError::output("writing", &path, source)
            }
            source => BuildError::Bundle { path: folder.to_owned(), source },
        })?;
        partial.publish()
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn annotations(manifest: &Manifest) -> BTreeMap<String, String> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    BTreeMap::from([
        pair("org.opencontainers.image.title", &manifest.artifact.file),
        pair("org.opencontainers.image.version", &manifest.version),
        pair("org.opencontainers.image.base.name", &manifest.distro),
    ])
}
