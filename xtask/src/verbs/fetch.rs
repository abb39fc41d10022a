//! `cargo xtask fetch`: puts every locked package into the store, so that later
//! builds need no network.

use super::lock::Recipes;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Bars;
use crate::project::Project;
use clap::Args;
use osbuilder::StockRequest;
use serde_json::{Value, json};

#[derive(Debug, Clone, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    recipes: Recipes,
    /// Make no lock: a missing one is an error.
    #[arg(long)]
    locked: bool,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Fetch) -> Result<Outcome, Failure> {
    let supply = &args.recipes.supply;
    let store = supply.store(project)?;
    let locks = supply.locks();
    let (mut text, mut all) = (String::new(), Vec::new());
    for (distro, architecture) in args.recipes.pairs(project)? {
        let stock = osbuilder::fetch(
            &StockRequest {
                recipes: &project.recipes(),
                distro: &distro,
                architecture: &architecture,
                mirrors: supply.mirrors(project, &distro),
                locks: locks.as_deref(),
                locked: args.locked,
            },
            &store,
            &Bars::new(flags.quiet),
        )?;
        let (packages, bytes) = (stock.packages, stock.bytes);
        let size = bytes as f64 / f64::from(1 << 20);
        text += &format!("{distro} {architecture}: {packages} packages held, {size:.1} MiB\n");
        all.push(json!({
            "distro": distro, "architecture": architecture, "packages": packages, "bytes": bytes,
        }));
    }
    Ok(Outcome { text, json: Value::Array(all) })
}
