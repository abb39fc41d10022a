//! `cargo xtask why`: what brought a package, a path or a kernel option in.

use super::show::Guest;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::project::Project;
use anyhow::{Context, anyhow};
use clap::Args;
use kernel_builder::{Requested, Setting};
use osbuilder::explain::{Beside, WhyError};
use std::fs;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct Why {
    /// A package, a path of the guest (/usr/bin/bash) or a kernel option
    /// (CONFIG_FUSE_FS).
    what: String,
    #[command(flatten)]
    guest: Guest,
    /// This artifact, in place of a distro's.
    #[arg(long, value_name = "FILE", conflicts_with = "distro")]
    file: Option<PathBuf>,
}

pub(crate) fn run(project: &Project, _flags: &Flags, args: &Why) -> Result<Outcome, Failure> {
    if let Some(symbol) = args.what.strip_prefix("CONFIG_") {
        return kernel(project, &args.guest.arch, symbol);
    }
    let artifact = match &args.file {
        Some(path) => path.clone(),
        None => args.guest.artifact(project)?,
    };
    let beside = Beside::read(&artifact)?;
    let why = osbuilder::explain::why(&beside.manifest, beside.contents.as_ref(), &args.what)
        .map_err(|error| match error {
            // A name that nothing has is a mistake on the command line.
            WhyError::Unknown { .. } => Failure::input(error),
            WhyError::NoContents { .. } => error.into(),
        })?;
    Ok(Outcome { text: why.to_text(), json: serde_json::to_value(&why)? })
}

/// The line of a fragment that asks for an option, with the comment above it.
fn kernel(project: &Project, architecture: &str, symbol: &str) -> Result<Outcome, Failure> {
    let configs = project.root().join("kernel/configs");
    let mut all: Vec<(Requested, String)> = Vec::new();
    for path in kernel_builder::fragments_in(&configs, architecture)? {
        let bytes = fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let shown = path.strip_prefix(project.root()).unwrap_or(&path).display().to_string();
        let fragment = kernel_builder::parse(&shown, &bytes).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::input(anyhow!(lines.join("\n")))
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let requested = fragment.requested.into_iter();
        all.extend(requested.map(|line| {
            let reason = reason(&text, line.place.line);
            (line, reason)
        }));
    }
    let Some((line, reason)) = all.iter().find(|(line, _)| line.symbol == symbol) else {
        let near = recipe::nearest(symbol, all.iter().map(|(line, _)| line.symbol.as_str()));
        let hint = near.map(|near| format!("; did you mean CONFIG_{near}?")).unwrap_or_default();
        return Err(Failure::input(anyhow!(
            "no fragment in kernel/configs asks for CONFIG_{symbol}{hint} (the kernel may have it all the same, by default or for another option)"
        )));
    };
    let setting = match &line.setting {
        Setting::Yes => "y",
        Setting::No => "n",
        Setting::Value(value) => value,
    };
    let (file, number) = (&line.place.file, line.place.line);
    Ok(Outcome {
        text: format!("CONFIG_{symbol}={setting}: {file}:{number}\n  {reason}"),
        json: serde_json::json!({
            "what": format!("CONFIG_{symbol}"),
            "setting": setting,
            "file": file,
            "line": number,
            "because": reason,
        }),
    })
}

/// The comment of the block that a line is in: the nearest one above it.
fn reason(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line.saturating_sub(1)).collect();
    let comment = |line: &&str| line.starts_with('#') && !line.ends_with(" is not set");
    let Some(end) = lines.iter().rposition(comment) else {
        return "the fragment gives no reason".to_owned();
    };
    let start = lines[..=end].iter().rposition(|line| !comment(line)).map_or(0, |at| at + 1);
    let words = lines[start..=end].iter().map(|line| line.trim_start_matches('#').trim());
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}
