//! `cargo xtask vendor DIR`: everything that builds need in one folder, for a
//! machine without a network: packages as a mirror has them, their locks, and
//! on request the sources of every crate.

use super::lock::Recipes;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::interrupt::tie;
use crate::progress::Bars;
use crate::project::Project;
use anyhow::{Context, anyhow};
use clap::Args;
use osbuilder::StockRequest;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use url::Url;

#[derive(Debug, Clone, Args)]
pub(crate) struct Vendor {
    /// The folder; made where it is missing, completed where it is not.
    dir: PathBuf,
    #[command(flatten)]
    recipes: Recipes,
    /// Make no lock: a missing one is an error.
    #[arg(long)]
    locked: bool,
    /// Also copy the sources of all crates, from which the agent and this tool
    /// are compiled.
    #[arg(long)]
    crates: bool,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Vendor) -> Result<Outcome, Failure> {
    let supply = &args.recipes.supply;
    let store = supply.store(project)?;
    let locks = supply.locks();
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("{} can't be made", args.dir.display()))?;
    let dir = fs::canonicalize(&args.dir)?;
    let url =
        Url::from_directory_path(&dir).map_err(|()| anyhow!("{} can't be a URL", dir.display()))?;
    let (mut text, mut all) = (String::new(), Vec::new());
    for (distro, architecture) in args.recipes.pairs(project)? {
        let vendored = osbuilder::vendor(
            &StockRequest {
                recipes: &project.recipes(),
                distro: &distro,
                architecture: &architecture,
                mirrors: supply.mirrors(project, &distro),
                locks: locks.as_deref(),
                locked: args.locked,
            },
            &dir,
            &store,
            &Bars::new(flags.quiet),
        )?;
        let (packages, bytes) = (vendored.stock.packages, vendored.stock.bytes);
        let size = bytes as f64 / f64::from(1 << 20);
        text += &format!("{distro} {architecture}: {packages} packages, {size:.1} MiB\n");
        text += &format!(
            "  cargo xtask build-image --distro {distro} --arch {architecture} --offline --mirror {url} --locks {}\n",
            dir.join("locks").display(),
        );
        all.push(json!({
            "distro": distro, "architecture": architecture, "packages": packages, "bytes": bytes,
            "lock": vendored.lock,
        }));
    }
    let mut json = json!({"folder": dir, "mirror": url.as_str(), "recipes": Value::Array(all)});
    if args.crates {
        let config = crates(project, &dir.join("crates"))?;
        text += &format!("crates: cargo --config {} finds them there\n", config.display());
        json["cargo-config"] = json!(config);
    }
    Ok(Outcome { text, json })
}

/// Copies the crates of Cargo.lock and gives the file that leads cargo to them.
fn crates(project: &Project, dir: &Path) -> Result<PathBuf, Failure> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["vendor", "--locked", "--quiet"]).arg(dir).current_dir(project.root());
    let output = tie(&mut command)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo can't be started")?;
    if !output.status.success() {
        return Err(anyhow!("cargo vendor failed ({}); it says why above", output.status).into());
    }
    let config = dir.with_extension("toml");
    fs::write(&config, output.stdout)
        .with_context(|| format!("{} can't be written", config.display()))?;
    Ok(config)
}
