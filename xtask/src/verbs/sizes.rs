//! `cargo xtask sizes`: where the bytes of a guest are, as tables, SVG or HTML,
//! and how that changed since an earlier one.

use super::show::Guest;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::project::Project;
use anyhow::{Context, anyhow};
use clap::Args;
use osbuilder::explain::{self, Change, Sizes};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of each table for people; `--json` has them all.
const ROWS: usize = 20;

#[derive(Debug, Clone, Args)]
pub(crate) struct SizesOf {
    /// This artifact (or its manifest or contents), in place of a distro's.
    #[arg(conflicts_with = "distro")]
    file: Option<PathBuf>,
    #[command(flatten)]
    guest: Guest,
    /// An earlier artifact, or its manifest or contents.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Draw the packages as a treemap there.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write a page with treemaps and tables there.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(project: &Project, _flags: &Flags, args: &SizesOf) -> Result<Outcome, Failure> {
    let artifact = match &args.file {
        Some(path) => path.clone(),
        None => args.guest.artifact(project)?,
    };
    let sizes = sizes(&artifact)?;
    let title = artifact.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut text = format!("{title}: {}", sizes.to_text(ROWS));
    let mut json = serde_json::to_value(&sizes)?;
    if let Some(earlier) = &args.compare {
        let before = self::sizes(earlier)?;
        let origins = explain::compare(&before.origins, &sizes.origins);
        let directories = explain::compare(&before.directories, &sizes.directories);
        writeln!(text, "\nsince {}:", earlier.display())?;
        text += &changes(&origins);
        json["compared"] = serde_json::json!({
            "bytes": before.bytes,
            "origins": origins,
            "directories": directories,
        });
    }
    if let Some(path) = &args.svg {
        write(path, &explain::svg(&title, &sizes.origins))?;
    }
    if let Some(path) = &args.html {
        write(path, &explain::html(&title, &sizes))?;
    }
    Ok(Outcome { text, json })
}

fn write(path: &Path, drawn: &str) -> Result<(), Failure> {
    fs::write(path, drawn).with_context(|| format!("{} can't be written", path.display()))?;
    Ok(())
}

fn sizes(path: &Path) -> Result<Sizes, Failure> {
    let contents = explain::contents(path)?.ok_or_else(|| {
        anyhow!(
            "there is no list of contents beside {}; `cargo xtask build-image` makes it with the artifact",
            path.display()
        )
    })?;
    Ok(Sizes::of(&contents))
}

fn changes(changes: &[Change]) -> String {
    let mut out = String::new();
    if changes.is_empty() {
        out.push_str("  nothing changed\n");
    }
    for change in changes.iter().take(ROWS) {
        let state = match (change.before, change.after) {
            (None, _) => " (new)",
            (_, None) => " (gone)",
            _ => "",
        };
        out += &format!("  {:+12} bytes  {}{state}\n", change.delta(), change.name);
    }
    out
}
