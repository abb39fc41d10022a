//! `cargo xtask store`: what the store of fetched files holds, whether it is
//! whole, and what may go.

use crate::Outcome;
use crate::failure::Failure;
use crate::project::Project;
use anyhow::anyhow;
use artifact_store::{Entry, GcOptions, Store};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

const DAY: u64 = 24 * 60 * 60;
const MIB: u64 = 1 << 20;

#[derive(Debug, Clone, Args)]
pub(crate) struct StoreWork {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Show each file with its kind, size and last use.
    List,
    /// Hash each fetched file anew; damaged ones are removed and fail the verb.
    Verify,
    /// Remove what was long unused; never what a running build has in hand.
    Gc(Gc),
}

#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("limit").required(true).multiple(true).args(["older_than", "max_size"])))]
struct Gc {
    /// Remove what was not used for so many days.
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u64>,
    /// Remove the longest unused until the store has at most so many MiB.
    #[arg(long, value_name = "MIB")]
    max_size: Option<u64>,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(project: &Project, args: &StoreWork) -> Result<Outcome, Failure> {
    // None of this needs a network.
    let store = project.store(true)?;
    match &args.what {
        What::List => list(&store),
        What::Verify => verify(&store),
        What::Gc(args) => gc(&store, args),
    }
}

fn list(store: &Store) -> Result<Outcome, Failure> {
    let entries = store.list()?;
    let mut text = table(&entries)?;
    write!(text, "{}", sum(&entries))?;
    Ok(Outcome { text, json: json!({"files": values(&entries), "bytes": bytes(&entries)}) })
}

fn verify(store: &Store) -> Result<Outcome, Failure> {
    let report = store.verify()?;
    let size = mib(report.bytes);
    if !report.damaged.is_empty() {
        let mut text = format!(
            "{} in the store damaged and removed, of {} (the next build fetches them anew):",
            count(report.damaged.len()),
            report.checked
        );
        for entry in &report.damaged {
            write!(text, "\n  sha256 {}", entry.name)?;
        }
        return Err(anyhow!(text).into());
    }
    let text = format!("all fetched files in the store are whole ({}, {size})", report.checked);
    Ok(Outcome { text, json: json!({"checked": report.checked, "bytes": report.bytes}) })
}

fn gc(store: &Store, args: &Gc) -> Result<Outcome, Failure> {
    let report = store.gc(&GcOptions {
        older_than: args.older_than.map(|days| Duration::from_secs(days.saturating_mul(DAY))),
        max_size: args.max_size.map(|mib| mib.saturating_mul(MIB)),
        dry_run: args.dry_run,
    })?;
    let word = if args.dry_run { "would remove" } else { "removed" };
    let mut text = if args.dry_run { table(&report.removed)? } else { String::new() };
    write!(text, "{word} {}; {} stay", sum(&report.removed), sum(&report.kept))?;
    let json = json!({
        "dry_run": args.dry_run,
        "removed": values(&report.removed),
        "removed_bytes": bytes(&report.removed),
        "kept": report.kept.len(),
        "kept_bytes": bytes(&report.kept),
    });
    Ok(Outcome { text, json })
}

fn bytes(entries: &[Entry]) -> u64 {
    entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.size))
}

fn sum(entries: &[Entry]) -> String {
    format!("{} ({})", count(entries.len()), mib(bytes(entries)))
}

fn count(files: usize) -> String {
    format!("{files} {}", if files == 1 { "file" } else { "files" })
}

/// With one decimal, rounded down.
fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}

fn table(entries: &[Entry]) -> Result<String, Failure> {
    let now = SystemTime::now();
    let mut text = String::new();
    for entry in entries {
        let days = now.duration_since(entry.used).unwrap_or_default().as_secs() / DAY;
        let used = match days {
            0 => "today".to_owned(),
            1 => "1 day ago".to_owned(),
            days => format!("{days} days ago"),
        };
        writeln!(text, "{:9} {} {:>12} {used}", entry.kind.name(), entry.name, entry.size)?;
    }
    Ok(text)
}

fn values(entries: &[Entry]) -> Vec<Value> {
    let value = |entry: &Entry| {
        let used = entry.used.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        json!({
            "kind": entry.kind.name(),
            "name": entry.name,
            "bytes": entry.size,
            "used": used.as_secs(),
        })
    };
    entries.iter().map(value).collect()
}
