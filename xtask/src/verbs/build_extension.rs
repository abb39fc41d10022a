//! `cargo xtask build-extension`: an extension image out of a recipe.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Flags, Sbom};
use crate::progress::Bars;
use crate::project::Project;
use crate::supply::Supply;
use clap::Args;
use osbuilder::ExtensionRequest;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildExtension {
    /// Extension, one of the recipe's `extensions`.
    name: String,
    /// Distro, a folder of recipes/; versions.yaml's default where not given.
    #[arg(long)]
    distro: Option<String>,
    /// Architecture of the guest.
    #[arg(long, default_value = std::env::consts::ARCH)]
    arch: String,
    #[command(flatten)]
    supply: Supply,
    /// Read the repository and bring the lock up to date first.
    #[arg(long, conflicts_with = "locked")]
    update: bool,
    /// Make no lock: a missing one is an error.
    #[arg(long)]
    locked: bool,
    /// A further bill of materials beside the SPDX one.
    #[arg(long, value_enum)]
    sbom: Option<Sbom>,
    /// Where image and manifest go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(
    project: &Project,
    flags: &Flags,
    args: &BuildExtension,
) -> Result<Outcome, Failure> {
    let distro = args.distro.as_deref().unwrap_or(&project.versions.default_image_name);
    let out = args.out.clone().unwrap_or_else(|| project.out(&args.arch));
    let locks = args.supply.locks();
    let request = ExtensionRequest {
        recipes: &project.recipes(),
        distro,
        name: &args.name,
        architecture: &args.arch,
        mirrors: args.supply.mirrors(project, distro),
        out: &out,
        locks: locks.as_deref(),
        update: args.update,
        locked: args.locked,
        versions: Some(project.versions_text.as_bytes()),
        cyclonedx: args.sbom == Some(Sbom::Cyclonedx),
    };
    let store = args.supply.store(project)?;
    let built = osbuilder::build_extension(&request, &store, &Bars::new(flags.quiet))?;
    let manifest = &built.manifest;
    let (count, size) = (manifest.packages.len(), manifest.artifact.size);
    let text = format!(
        "{} {}: {count} packages, {:.1} MiB\n  serial number {}\n  {}",
        built.artifact.display(),
        if built.unchanged { "unchanged" } else { "built" },
        size as f64 / f64::from(1 << 20),
        manifest.serial,
        manifest.kernel_parameter,
    );
    let json = serde_json::json!({
        "artifact": built.artifact,
        "manifest": built.manifest_file,
        "unchanged": built.unchanged,
        "sha256": manifest.artifact.sha256,
        "size": size,
        "serial": manifest.serial,
        "kernel-parameter": manifest.kernel_parameter,
    });
    Ok(Outcome { text, json })
}
