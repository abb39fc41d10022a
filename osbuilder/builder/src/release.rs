//! An artifact on its way out: written under a temporary name, measured, and
//! given its own name together with all that explains it. The same for guests
//! and extensions; it must not know what is inside.

use crate::build::with_suffix;
use crate::contents::Contents;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::manifest::Artifact;
use crate::output::{Partial, digest_file, publish};
use crate::provenance;
use crate::sbom::{self, Described, PackageKind};
use image::ImageError;
use recipe::Lock;
use serde::Serialize;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A whole artifact that nobody sees yet.
pub(crate) struct Release<'a> {
    path: &'a Path,
    whole: Partial,
}

/// What an artifact was made of, for the bills and the provenance.
pub(crate) struct Origins<'a> {
    /// The recipe with its files.
    pub(crate) folder: &'a RecipeFolder,
    /// Its lock.
    pub(crate) lock: &'a Lock,
    /// Text of the versions database, where the caller used one.
    pub(crate) versions: Option<&'a [u8]>,
    /// Whether a CycloneDX bill is made too.
    pub(crate) cyclonedx: bool,
}

impl<'a> Release<'a> {
    /// Writes what will be `path`, and measures it; also gives what `write` found out.
    pub(crate) fn write<T>(
        path: &'a Path,
        write: impl FnOnce(File) -> Result<T, ImageError>,
    ) -> Result<(Self, Artifact, T), BuildError> {
        let (whole, file) = Partial::create(path)?;
        let found = write(file).map_err(|error| match error {
            ImageError::Write(source) => BuildError::output("writing", path, source),
            source => BuildError::Write { path: path.to_owned(), source },
        })?;
        let (sha256, size) = digest_file(whole.path()).map_err(|source| BuildError::Io {
            action: "reading",
            path: path.to_owned(),
            source,
        })?;
        let file =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let artifact = Artifact { file, size, sha256: hex::encode(sha256) };
        Ok((Self { path, whole }, artifact, found))
    }

    /// Gives it its name, with everything that explains it, the manifest last.
    /// Returns the manifest's place.
    pub(crate) fn publish<'m, M>(
        mut self,
        manifest: &'m M,
        contents: &Contents,
        origins: &Origins<'_>,
    ) -> Result<PathBuf, BuildError>
    where
        M: Serialize,
        Described<'m>: From<&'m M>,
    {
        let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
        text.push(b'\n');
        let kind = PackageKind::of(&origins.folder.recipe.repository);
        let materials = provenance::materials(origins.folder, origins.lock, origins.versions);
        let described = Described::from(manifest);
        let mut companions = Vec::new();
        for (ending, bytes) in
            sbom::companions(described, contents, kind, &materials, origins.cyclonedx)
        {
            companions.push(Partial::of_bytes(&with_suffix(self.path, ending), &bytes)?);
        }
        let manifest_file = with_suffix(self.path, ".manifest.json");
        let mut described = Partial::of_bytes(&manifest_file, &text)?;
        let stale = [with_suffix(self.path, sbom::CYCLONEDX)];
        publish(&mut self.whole, &mut companions, &mut described, &stale)?;
        Ok(manifest_file)
    }
}
