//! A difference of two artifacts for people: `+` came, `-` went, `~` changed.
//! It must not know how the difference was found.

use super::{Diff, FileChange, Kind};
use crate::explain::human;
use std::fmt::Write as _;

impl Diff {
    /// For a terminal; at most `most` files are listed, the rest is counted.
    #[must_use]
    pub fn to_text(&self, most: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, most).expect("a String takes everything");
        out
    }

    fn write(&self, out: &mut String, most: usize) -> std::fmt::Result {
        let [before, after] = &self.artifacts;
        writeln!(out, "{before} -> {after}")?;
        if self.identical {
            return writeln!(out, "the same, byte for byte");
        }
        writeln!(out, "artifact: {}", bytes(self.bytes))?;
        if let Some(tree) = self.tree_bytes {
            writeln!(out, "files: {}", bytes(tree))?;
        }
        for fact in &self.facts {
            writeln!(out, "~ {}: {} -> {}", fact.key, fact.values[0], fact.values[1])?;
        }
        writeln!(out, "\npackages: {}", count(self.packages.len()))?;
        for package in &self.packages {
            let name = &package.name;
            match (&package.before, &package.after) {
                (None, Some(version)) => {
                    writeln!(out, "+ {name} {version} ({})", package.because)?;
                }
                (Some(version), None) => writeln!(out, "- {name} {version}")?,
                (Some(old), Some(new)) if old == new => {
                    writeln!(out, "~ {name} {old} (other bytes of the same version)")?;
                }
                (old, new) => {
                    let word = |side: &Option<String>| side.clone().unwrap_or_default();
                    writeln!(out, "~ {name} {} -> {}", word(old), word(new))?;
                }
            }
        }
        let Some(files) = &self.files else {
            return writeln!(
                out,
                "\nfiles: unknown, since a side has no list of contents; build it again"
            );
        };
        writeln!(out, "\nfiles: {}", count(files.len()))?;
        for change in files.iter().take(most) {
            writeln!(out, "{}", line(change))?;
        }
        match files.len().saturating_sub(most) {
            0 => Ok(()),
            more => writeln!(out, "… and {more} more (all of them with --json)"),
        }
    }
}

fn count(number: usize) -> String {
    if number == 0 { "no difference".to_owned() } else { format!("{number} differ") }
}

fn line(change: &FileChange) -> String {
    let FileChange { path, keys, origin, .. } = change;
    let [before, after] = change.bytes;
    match change.change {
        Kind::Added => format!("+ {path} {} ({origin})", human(after)),
        Kind::Removed => format!("- {path} {} ({origin})", human(before)),
        Kind::Changed if before == after => format!("~ {path} [{}]", keys.join(" ")),
        Kind::Changed => format!("~ {path} [{}] {}", keys.join(" "), bytes(change.bytes)),
    }
}

fn bytes([before, after]: [u64; 2]) -> String {
    let sign = if after < before { '-' } else { '+' };
    format!("{} -> {} ({sign}{})", human(before), human(after), human(before.abs_diff(after)))
}
