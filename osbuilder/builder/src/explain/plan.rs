//! `plan`: what a build would do, without doing it: the packages it would take,
//! which of them have yet to be fetched, and the files it would write.
//!
//! It goes by the lock as a build does; where there is none it opens the
//! repository and says what the lock would be, without making it. It must not
//! know a terminal.

use super::sizes::human;
use crate::build::file_name;
use crate::chosen::Chosen;
use crate::error::BuildError;
use crate::folder::RecipeFolder;
use crate::lock::{LockPlace, Open};
use crate::manifest::{MirrorRecord, PackageRecord};
use crate::mirrors::{self, MirrorChoice};
use artifact_store::{Progress, Silent, Store};
use rayon::prelude::*;
use recipe::{Choice, Selection};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What would be built.
#[derive(Debug, Clone)]
pub struct PlanRequest<'a> {
    /// The folder `recipes/`.
    pub recipes: &'a Path,
    /// The recipe's name.
    pub distro: &'a str,
    /// Which guest of the recipe.
    pub choice: Choice<'a>,
    /// Our name of the architecture.
    pub architecture: &'a str,
    /// Mirrors and keys.
    pub mirrors: MirrorChoice,
    /// A folder of locks in place of the usual ones.
    pub locks: Option<&'a Path>,
    /// Where artifact and manifest would go.
    pub out: &'a Path,
    /// The same store as the one that reads the index, opened offline: it says
    /// what is there already.
    pub held: &'a Store,
}

/// What a build would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The artifact that would be written.
    pub artifact: PathBuf,
    /// Whether a file of that name is there.
    pub exists: bool,
    /// What the recipe says for this type, init and architecture.
    pub selection: Selection,
    /// The repository.
    pub mirror: MirrorRecord,
    /// Every package, by name.
    pub packages: Vec<Planned>,
    /// Bytes of all package files.
    pub package_bytes: u64,
    /// Bytes that are not in the store yet.
    pub download_bytes: u64,
}

/// A package that a build would take.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// What the manifest would say of it.
    #[serde(flatten)]
    pub record: PackageRecord,
    /// Whether the store holds its file, with the right digest.
    pub held: bool,
}

/// Plans a build.
///
/// # Errors
/// As a build's until its packages are chosen.
pub fn plan(
    request: &PlanRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Plan, BuildError> {
    let folder = RecipeFolder::load(request.recipes, request.distro)?;
    let selection = folder.recipe.choose(&request.choice, request.architecture)?;
    let mirrors = mirrors::choose(&folder, request.architecture, &request.mirrors)?;
    let place = LockPlace::of(&folder, request.architecture, request.locks, &mirrors);
    let lock = match place.read(request.distro, request.architecture)? {
        Some(lock) => lock,
        None => {
            let (folder, mirrors) = (&folder, &mirrors);
            let open = Open { folder, architecture: request.architecture, mirrors };
            open.refresh(&place, None, false, store, progress)?.lock
        }
    };
    let chosen = Chosen::of(&lock, &place, &folder, &selection, &mirrors)?;
    let requests = chosen.requests();
    let packages: Vec<Planned> = chosen
        .records()
        .into_par_iter()
        .zip(&requests)
        .map(|(record, request_of)| Planned {
            record,
            held: request.held.fetch(request_of, &Silent).is_ok(),
        })
        .collect();
    let bytes = |package: &Planned| package.record.size.unwrap_or(0);
    let artifact = request.out.join(file_name(&folder.recipe, &selection));
    Ok(Plan {
        exists: artifact.is_file(),
        artifact,
        mirror: chosen.mirror_record(&mirrors, &[]),
        package_bytes: packages.iter().map(bytes).sum(),
        download_bytes: packages.iter().filter(|package| !package.held).map(bytes).sum(),
        packages,
        selection,
    })
}

impl Plan {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Selection { r#type: kind, init, architecture, layer, .. } = &self.selection;
        let state =
            if self.exists { "is there; written anew if its inputs changed" } else { "new" };
        writeln!(out, "{} ({state})", self.artifact.display())?;
        writeln!(out, "  {kind} for {architecture}, {init} as PID 1")?;
        writeln!(out, "  packages from {} ({})", self.mirror.url, self.mirror.chosen_by)?;
        if !layer.kernel_parameters.is_empty() {
            writeln!(out, "  kernel parameters: {}", layer.kernel_parameters.join(" "))?;
        }
        let missing = self.packages.iter().filter(|package| !package.held).count();
        writeln!(
            out,
            "{} packages, {}; {missing} to fetch, {}",
            self.packages.len(),
            human(self.package_bytes),
            human(self.download_bytes)
        )?;
        for Planned { record, held } in &self.packages {
            let state = if *held { "held " } else { "fetch" };
            let size = record.size.map(human).unwrap_or_default();
            let PackageRecord { name, version, because, .. } = record;
            writeln!(out, "  {state} {size:>10}  {name} {version} ({because})")?;
        }
        Ok(())
    }
}
