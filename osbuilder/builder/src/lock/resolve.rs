//! From a recipe and today's index to a lock: every selection that the recipe
//! offers is solved, and every file digest that the index lacks is learned from
//! the file itself, once the index has vouched for it.

use super::{LockPlace, Open, refuse_rollback};
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::packages::{self, Opened};
use crate::rpm_source;
use artifact_store::{Progress, Store};
use recipe::lock::{LOCK_FORMAT, selection_name};
use recipe::recipe::SelectionError;
use recipe::{
    Lock, LockedChoice, LockedIndex, LockedPackage, LockedRepository, LockedSelection, Recipe,
    Selection,
};
use repository::solve::{Reason, Selected, replaced};
use repository::{Identity, Package};
use std::collections::{BTreeMap, BTreeSet};

/// The lock of today; refused where the index is older than that of `known`.
pub(crate) fn resolve(
    open: &Open<'_>,
    place: &LockPlace,
    known: Option<&Lock>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Lock, BuildError> {
    let Open { folder, architecture, mirrors } = *open;
    let recipe = &folder.recipe;
    let first = recipe.select(None, None, None, architecture)?;
    let opened = packages::open(folder, &first, mirrors, store, progress)?;
    let repository = repository_of(&opened);
    if let Some(known) = known {
        refuse_rollback(&recipe.name, known, &repository.indexes, place.shown())?;
    }
    let mut solved: BTreeMap<String, (LockedSelection, Vec<Selected>)> = BTreeMap::new();
    for selection in offered(recipe, architecture)? {
        let selected = packages::choose(&opened, folder, &selection)?;
        let name = selection_name(selection.init, selection.variant.as_deref());
        let asked = selection.layer.packages;
        let locked = LockedSelection { asked, without: selection.layer.without, packages: vec![] };
        solved.insert(name, (locked, selected));
    }
    let used: BTreeSet<usize> =
        solved.values().flat_map(|(_, selected)| selected.iter().map(|one| one.index)).collect();
    let mut used: Vec<usize> = used.into_iter().collect();
    let all = &opened.index.packages;
    used.sort_by_key(|&index| (&all[index].name, &all[index].version));
    let chosen: Vec<&Package> = used.iter().map(|&index| &all[index]).collect();
    let digests = digests(&opened, folder, &chosen, store, progress)?;
    let by_themselves =
        rpm_source::signers(folder, &first, mirrors, (&opened.index, &chosen), (store, progress))?;
    let signed_by = |place: usize| match &by_themselves {
        Some(signers) => signers[place].clone(),
        // Where several keys signed the index, each alone would do.
        None => repository.signed_by.first().cloned().unwrap_or_default(),
    };
    let locked = chosen
        .iter()
        .zip(digests)
        .enumerate()
        .map(|(place, (package, sha256))| LockedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            location: package.location.clone(),
            size: package.size,
            sha256: hex::encode(sha256),
            control_sha1: match &package.identity {
                Identity::ApkControl(digest) => Some(hex::encode(digest)),
                Identity::Sha256(_) => None,
            },
            signed_by: signed_by(place),
            source: package.source.clone(),
            license: package.license.clone(),
            replaces: replaced(&chosen, &package.replaces),
        })
        .collect();
    let several = |name: &str| chosen.iter().filter(|package| package.name == name).count() > 1;
    let selections = solved
        .into_iter()
        .map(|(name, (mut locked, selected))| {
            locked.packages = selected
                .iter()
                .map(|one| {
                    let package = &all[one.index];
                    let (needed_by, requirement) = match &one.because {
                        Reason::Asked(_) => (None, None),
                        Reason::DependencyOf { package, requirement } => {
                            (Some(all[*package].name.clone()), Some(requirement.clone()))
                        }
                    };
                    LockedChoice {
                        name: package.name.clone(),
                        version: several(&package.name).then(|| package.version.clone()),
                        needed_by,
                        requirement,
                    }
                })
                .collect();
            (name, locked)
        })
        .collect();
    Ok(Lock {
        format: LOCK_FORMAT,
        distro: recipe.name.clone(),
        architecture: architecture.to_owned(),
        repository,
        selections,
        packages: locked,
    })
}

/// Every init and variant that the recipe has a layer for, and its extensions. What
/// kind of file the tree is written to makes no difference to its packages.
fn offered(recipe: &Recipe, architecture: &str) -> Result<Vec<Selection>, SelectionError> {
    let mut selections = Vec::new();
    for init in recipe.inits() {
        for variant in std::iter::once(None).chain(recipe.variant_names().map(Some)) {
            selections.push(recipe.select(None, Some(init), variant, architecture)?);
        }
    }
    for extension in recipe.extension_names() {
        selections.push(recipe.select_extension(extension, architecture)?);
    }
    Ok(selections)
}

fn repository_of(opened: &Opened) -> LockedRepository {
    let index = &opened.index;
    LockedRepository {
        description: index.description.clone(),
        signed_by: index.signed_by.clone(),
        indexes: index
            .files
            .iter()
            .map(|file| LockedIndex {
                path: file.path.clone(),
                date: file.date,
                sha256: hex::encode(file.sha256),
            })
            .collect(),
        sha256: hex::encode(index.index_sha256),
    }
}

/// SHA-256 of each package's file: the index's, or the proven file's own.
fn digests(
    opened: &Opened,
    folder: &RecipeFolder,
    packages: &[&Package],
    store: &Store,
    progress: &dyn Progress,
) -> Result<Vec<[u8; 32]>, BuildError> {
    let listed = packages.iter().map(|package| match package.identity {
        Identity::Sha256(digest) => Some(digest),
        Identity::ApkControl(_) => None,
    });
    if let Some(digests) = listed.collect() {
        return Ok(digests);
    }
    let requests = packages::proving_requests(opened, packages)?;
    let blobs = store
        .fetch_all(&requests, 8, progress)
        .map_err(|error| BuildError::fetch(&folder.recipe.name, error))?;
    Ok(blobs.iter().map(|blob| blob.sha256).collect())
}
