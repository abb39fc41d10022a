//! `cargo xtask diff A B`: packages, files and bytes that differ between two
//! artifacts, told from what stands beside them.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::project::Project;
use clap::Args;
use osbuilder::diff::{Side, diff};
use osbuilder::explain::Beside;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct Diff {
    /// The earlier artifact (or its manifest).
    before: PathBuf,
    /// The later one.
    after: PathBuf,
    /// Files to list; `--json` always has all.
    #[arg(long, default_value_t = 100)]
    files: usize,
}

pub(crate) fn run(_project: &Project, _flags: &Flags, args: &Diff) -> Result<Outcome, Failure> {
    let (before, after) = (Beside::read(&args.before)?, Beside::read(&args.after)?);
    let diff = diff(side(&before), side(&after));
    Ok(Outcome { text: diff.to_text(args.files), json: serde_json::to_value(&diff)? })
}

/// What is known of an artifact, as the comparison takes it.
pub(crate) fn side(beside: &Beside) -> Side<'_> {
    Side { manifest: &beside.manifest, contents: beside.contents.as_ref() }
}
