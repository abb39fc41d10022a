//! `cargo xtask lock`: brings the lock of a recipe up to date and says what
//! changes. It also holds the words by which verbs about locks are told which
//! recipes and architectures are meant.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Bars;
use crate::project::Project;
use crate::supply::Supply;
use anyhow::anyhow;
use clap::Args;
use osbuilder::{LockRequest, Locked, RecipeFolder};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Which recipes, for which architectures, from where.
#[derive(Debug, Clone, Args)]
pub(crate) struct Recipes {
    /// A folder of recipes/, several times for several; versions.yaml's default
    /// image where not given.
    #[arg(long)]
    distro: Vec<String>,
    /// Architecture, several times for several; `all` for every one that the
    /// recipe has.
    #[arg(long, default_value = std::env::consts::ARCH)]
    arch: Vec<String>,
    #[command(flatten)]
    pub(crate) supply: Supply,
}

impl Recipes {
    /// Every recipe with every architecture that is meant.
    pub(crate) fn pairs(&self, project: &Project) -> Result<Vec<(String, String)>, Failure> {
        let usual = [project.versions.default_image_name.clone()];
        let distros = if self.distro.is_empty() { usual.as_slice() } else { &self.distro };
        let mut pairs = Vec::new();
        for distro in distros {
            let folder = RecipeFolder::load(&project.recipes(), distro)?;
            for architecture in &self.arch {
                match architecture.as_str() {
                    "all" => pairs.extend(
                        folder.recipe.architectures.keys().map(|a| (distro.clone(), a.clone())),
                    ),
                    one => pairs.push((distro.clone(), one.to_owned())),
                }
            }
        }
        Ok(pairs)
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    recipes: Recipes,
    /// Change nothing; fail where a lock is not up to date.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Lock) -> Result<Outcome, Failure> {
    let supply = &args.recipes.supply;
    let store = supply.store(project)?;
    let locks = supply.locks();
    let (mut text, mut all, mut stale) = (String::new(), Vec::new(), 0_usize);
    for (distro, architecture) in args.recipes.pairs(project)? {
        let locked = osbuilder::lock(
            &LockRequest {
                recipes: &project.recipes(),
                distro: &distro,
                architecture: &architecture,
                mirrors: supply.mirrors(project, &distro),
                locks: locks.as_deref(),
                check: args.check,
            },
            &store,
            &Bars::new(flags.quiet),
        )?;
        stale += usize::from(locked.changed());
        describe(&mut text, &locked, args.check)?;
        all.push(value(&locked));
    }
    if args.check && stale > 0 {
        return Err(anyhow!("locks are not up to date\n{}", text.trim_end()).into());
    }
    Ok(Outcome { text, json: Value::Array(all) })
}

fn describe(text: &mut String, locked: &Locked, check: bool) -> std::fmt::Result {
    let (path, count) = (locked.path.display(), locked.lock.packages.len());
    match &locked.changes {
        None if check => writeln!(text, "{path}: not there; it would hold {count} packages"),
        None => writeln!(text, "{path}: new, {count} packages"),
        Some(changes) if changes.is_empty() => {
            writeln!(text, "{path}: up to date, {count} packages")
        }
        Some(changes) => {
            writeln!(text, "{path}: {}", if check { "would change" } else { "changed" })?;
            write!(text, "{}", changes.to_text())
        }
    }
}

fn value(locked: &Locked) -> Value {
    json!({
        "lock": locked.path,
        "distro": locked.lock.distro,
        "architecture": locked.lock.architecture,
        "packages": locked.lock.packages.len(),
        "new": locked.changes.is_none(),
        "changes": locked.changes,
    })
}
