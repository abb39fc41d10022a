//! `cargo xtask mirror centos` and its like: a stand-in for a mirror that can't
//! be reached, made of Debian's files under the names that the recipe asks for.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Bars;
use crate::project::Project;
use anyhow::{Context, anyhow};
use mirror::{Layout, StandInOptions, stand_in};
use osbuilder::{LocalMirror, MirrorChoice, RecipeFolder, apt_source};
use recipe::{Recipe, RepositorySource};
use std::fs;
use std::path::PathBuf;

/// The distro whose files are taken.
const SOURCE: &str = "debian";

pub(crate) fn run(project: &Project, flags: &Flags, distro: &str) -> Result<Outcome, Failure> {
    let architecture = std::env::consts::ARCH;
    let recipe = RecipeFolder::load(&project.recipes(), distro)?.recipe;
    let (packages, without) = asked_for(&recipe, architecture)?;
    let source = RecipeFolder::load(&project.recipes(), SOURCE)?.recipe;
    let (_, debian_without) = asked_for(&source, architecture)?;
    let choice = MirrorChoice { host_root: PathBuf::from("/"), ..MirrorChoice::default() };
    let debian = apt_source(&project.recipes(), SOURCE, architecture, &choice)?;
    let made = stand_in(&StandInOptions {
        out: &project.target().join("mirror").join(distro),
        debian: &debian,
        debian_without: &debian_without,
        store: &project.store(false)?,
        progress: &Bars::new(flags.quiet),
        packages: &packages,
        without: &without,
        layout: &layout(&recipe, architecture)?,
    })?;
    let record = project.mirror_record(distro);
    let local = LocalMirror {
        url: made.url.clone(),
        key: made.public_key.clone(),
        made_from: made.made_from.clone(),
    };
    fs::write(&record, serde_json::to_vec_pretty(&local)?)
        .with_context(|| format!("{} can't be written", record.display()))?;
    let text = format!(
        "{}: {} packages, {} under {distro}'s names, signed with a throw-away key ({})\n  on record in {}: `cargo xtask build-image --distro {distro}` takes it; `cargo xtask mirror {distro} --forget` undoes that",
        made.url,
        made.packages,
        made.made_from,
        made.public_key.display(),
        record.display(),
    );
    let json = serde_json::json!({
        "url": made.url, "key": made.public_key, "packages": made.packages,
        "made-from": made.made_from, "record": record,
    });
    Ok(Outcome { text, json })
}

/// Every package that some choice of the recipe asks for, and every one that it
/// does without.
fn asked_for(recipe: &Recipe, architecture: &str) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut packages, mut without) = (Vec::new(), Vec::new());
    for init in recipe.inits() {
        for variant in std::iter::once(None).chain(recipe.variant_names().map(Some)) {
            let choice = recipe.select(None, Some(init), variant, architecture);
            let layer = choice.map_err(Failure::input)?.layer;
            packages.extend(layer.packages);
            without.extend(layer.without);
        }
    }
    for list in [&mut packages, &mut without] {
        list.sort();
        list.dedup();
    }
    without.retain(|name| !packages.contains(name));
    Ok((packages, without))
}

fn layout(recipe: &Recipe, architecture: &str) -> Result<Layout, Failure> {
    match &recipe.repository {
        RepositorySource::Apt(apt) => Ok(Layout::Apt {
            suites: [std::slice::from_ref(&apt.suite), &apt.updates].concat(),
            component: apt.components.first().cloned().unwrap_or_default(),
            origin: recipe.title.clone(),
        }),
        RepositorySource::Rpm(rpm) => {
            let theirs = recipe.architectures.get(architecture);
            let theirs = theirs.with_context(|| format!("no {architecture} in {}", recipe.name))?;
            Ok(Layout::Rpm {
                folders: rpm.paths(theirs),
                architecture: theirs.clone(),
                aliases: recipe.aliases.clone().into_iter().collect(),
            })
        }
        RepositorySource::Apk(_) => {
            Err(anyhow!("{} has a mirror made of its own files", recipe.name).into())
        }
    }
}
