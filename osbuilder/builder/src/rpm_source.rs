//! Rpm repositories of a recipe: what is trusted, which folders are read, and
//! what is said where nothing vouches for an index. It chooses no packages.

use crate::error::{BuildError, mirror_hint};
use crate::folder::RecipeFolder;
use crate::mirrors::Mirrors;
use crate::packages::keyring;
use artifact_store::{Blob, Progress, Store};
use rayon::prelude::*;
use recipe::{RepositorySource, RpmIndex, RpmRepository, Selection};
use repository::index::file_url;
use repository::rpm::{self, Proof, RpmError, RpmSource, Trust};
use repository::{Index, Package};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

/// Largest index that is looked at to tell its digest, in bytes.
const MAX_REPOMD: u64 = 4 << 20;

/// The source of a recipe, with mirrors and keys as they were chosen.
pub(crate) fn source(
    folder: &RecipeFolder,
    recipe: &RpmRepository,
    selection: &Selection,
    mirrors: &Mirrors,
) -> Result<RpmSource, BuildError> {
    let trust = match &recipe.index {
        RpmIndex::Signed => Trust::Signed,
        RpmIndex::SignedPackages => Trust::SignedPackages,
        // Whoever names a mirror with a key of its own has it signed.
        RpmIndex::PinnedSha256(_) if mirrors.own_keys => Trust::Signed,
        RpmIndex::PinnedSha256(digests) => {
            // The recipe was checked: these are 64 digits.
            let decoded = |text: &String| {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
            };
            let digest = digests.get(&selection.architecture).and_then(decoded);
            let sha256 = digest.into_iter().collect();
            Trust::Pinned { sha256 }
        }
    };
    Ok(RpmSource {
        mirrors: mirrors.urls.clone(),
        repositories: recipe.paths(&selection.package_architecture),
        architecture: selection.package_architecture.clone(),
        keyring: keyring(mirrors)?,
        trust,
        wanted: asked_for(folder, &selection.architecture)?,
        now: SystemTime::now(),
    })
}

/// Every package that some choice of the recipe asks for: a lock holds all.
fn asked_for(folder: &RecipeFolder, architecture: &str) -> Result<Vec<String>, BuildError> {
    let recipe = &folder.recipe;
    let mut names = Vec::new();
    for init in recipe.inits() {
        for variant in std::iter::once(None).chain(recipe.variant_names().map(Some)) {
            names.extend(recipe.select(None, Some(init), variant, architecture)?.layer.packages);
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// What a package that comes out of a lock has to prove before it is unpacked.
pub(crate) fn proof(
    folder: &RecipeFolder,
    selection: &Selection,
    mirrors: &Mirrors,
) -> Result<Proof, BuildError> {
    match &folder.recipe.repository {
        RepositorySource::Rpm(recipe) => {
            Ok(source(folder, recipe, selection, mirrors)?.proof(true))
        }
        _ => Ok(Proof::Index),
    }
}

/// Where packages alone are signed: what the index said of each is held against
/// what is signed, before a lock is made of it. Gives who signed each.
pub(crate) fn signers(
    folder: &RecipeFolder,
    selection: &Selection,
    mirrors: &Mirrors,
    (index, packages): (&Index, &[&Package]),
    (store, progress): (&Store, &dyn Progress),
) -> Result<Option<Vec<String>>, BuildError> {
    let RepositorySource::Rpm(recipe) = &folder.recipe.repository else { return Ok(None) };
    if recipe.index != RpmIndex::SignedPackages {
        return Ok(None);
    }
    let proof = source(folder, recipe, selection, mirrors)?.proof(false);
    let failed = |error| BuildError::fetch(&folder.recipe.name, error);
    let blobs = store.fetch_all(&rpm::requests(index, packages), 8, progress).map_err(failed)?;
    let signer = |(package, blob): (&&Package, &Blob)| {
        let file = rpm::payload(package, &blob.read().map_err(failed)?, &proof)
            .map_err(|error| BuildError::Package(error.into()))?;
        Ok(file.signed_by.into_iter().next().unwrap_or_default())
    };
    packages.par_iter().zip(&blobs).map(signer).collect::<Result<_, _>>().map(Some)
}

/// Opens them.
pub(crate) fn open(
    folder: &RecipeFolder,
    source: &RpmSource,
    selection: &Selection,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Index, BuildError> {
    let distro = &folder.recipe.name;
    if matches!(&source.trust, Trust::Pinned { sha256 } if sha256.is_empty()) {
        return Err(unpinned(folder, source, selection, store, progress));
    }
    rpm::open(store, source, progress)
        .map(|index| Index { description: description(folder, source), ..index })
        .map_err(|error| {
            let hint = match &error {
                RpmError::Fetch { source, .. } => mirror_hint(source),
                _ => "",
            };
            BuildError::Repository {
                distro: distro.clone(),
                hint: hint.to_owned(),
                source: Box::new(error),
            }
        })
}

/// `CentOS Stream 10: 10-stream/BaseOS/x86_64/os, 10-stream/AppStream/x86_64/os`.
fn description(folder: &RecipeFolder, source: &RpmSource) -> String {
    format!("{}: {}", folder.recipe.title, source.repositories.join(", "))
}

/// Nobody vouches for the index, so it is not used: each mirror's is only
/// fetched to tell its digest.
fn unpinned(
    folder: &RecipeFolder,
    source: &RpmSource,
    selection: &Selection,
    store: &Store,
    progress: &dyn Progress,
) -> BuildError {
    let repository = source.repositories.first().map_or("", String::as_str);
    let path = format!("{repository}/repodata/repomd.xml");
    let urls: Vec<_> = source.mirrors.iter().map(|base| file_url(base, &path)).collect();
    let refuse = |bytes: &[u8]| {
        let seen = hex::encode(Sha256::digest(bytes));
        Err(format!("the SHA-256 of what it offers is {seen}, and none is pinned"))
    };
    let key = format!("unpinned {path}");
    let hint = format!(
        ": its index is not signed, and {} pins no digest of it for {}. Compare what the mirrors \
         below offer with what you get elsewhere (another network, somebody's old copy), then \
         write it as `index: {{pinned-sha256: {{{}: …}}}}`",
        folder.file, selection.architecture, selection.architecture
    );
    let distro = folder.recipe.name.clone();
    match store.fetch_index(&key, &urls, MAX_REPOMD, progress, &refuse) {
        Err(error) => BuildError::Repository { distro, hint, source: Box::new(error) },
        // A check that refuses everything lets nothing through.
        Ok(_) => BuildError::Repository { distro, hint, source: "no digest is pinned".into() },
    }
}
