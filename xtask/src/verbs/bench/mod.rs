//! `cargo xtask bench`: ours beside the peers', in the same run, on the same
//! packages, and the agent in a guest. It prints figures and asserts none, since
//! machines differ; only what grows without end is a failure.

mod agent;
mod images;
mod measure;
mod peers;

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Bench, BenchKind, Flags};
use crate::project::Project;
use anyhow::{Context, anyhow};
use std::process::Command;

/// Runs of a build with nothing to do; the median counts.
const RUNS: usize = 5;

pub(crate) fn run(project: &Project, flags: &Flags, args: &Bench) -> Result<Outcome, Failure> {
    let all = [BenchKind::Images, BenchKind::Unchanged, BenchKind::Agent];
    let what = if args.what.is_empty() { &all[..] } else { &args.what[..] };
    let mut text = String::new();
    let mut json = serde_json::Map::new();
    let mut grown = Vec::new();
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
            BenchKind::Agent => {
                let (table, value, more) = agent::run(project, flags, args)?;
                text += &table;
                json.insert("agent".into(), value);
                grown.extend(more);
            }
        }
    }
    if !grown.is_empty() {
        // The figures are what one wants to see then.
        let what = format!("the agent's guest grows: {}", grown.join("; "));
        return Err(anyhow!(text.trim_end().to_owned()).context(what).into());
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
