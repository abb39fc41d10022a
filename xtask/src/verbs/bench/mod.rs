//! `cargo xtask bench`: ours beside the peers', in the same run, on the same
//! packages. It prints figures and asserts none: machines differ.

mod images;
mod measure;
mod peers;

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Bench, BenchKind};
use crate::project::Project;
use anyhow::Context;
use std::process::Command;

/// Runs of a build with nothing to do; the median counts.
const RUNS: usize = 5;

pub(crate) fn run(project: &Project, args: &Bench) -> Result<Outcome, Failure> {
    let all = [BenchKind::Images, BenchKind::Unchanged];
    let what = if args.what.is_empty() { &all[..] } else { &args.what[..] };
    let mut text = String::new();
    let mut json = serde_json::Map::new();
    for kind in what {
        match kind {
            BenchKind::Images => {
                let (table, value) = images::run(project)?;
                text += &table;
                json.insert("images".into(), value);
            }
            BenchKind::Unchanged => {
                let seconds = unchanged(project)?;
                text += &format!("nothing changed, cargo included: {seconds:.2} s\n");
                json.insert("unchanged".into(), seconds.into());
            }
        }
    }
    Ok(Outcome { text, json: json.into() })
}

fn unchanged(project: &Project) -> anyhow::Result<f64> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut costs = Vec::new();
    // One more than counts: the first may have something to build.
    for _ in 0..=RUNS {
        let mut command = Command::new(&cargo);
        command.args(["xtask", "build-image", "--distro", "debian"]);
        costs.push(measure::run(command.current_dir(project.root()))?);
    }
    costs.remove(0);
    Ok(measure::median(costs).context("no run")?.wall.as_secs_f64())
}
