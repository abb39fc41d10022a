//! `sizes`: where the bytes of a guest are, by package (or whoever else brought
//! them) and by directory, and how that changed.

use crate::contents::Contents;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Bytes of one part of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// A package, `recipe`, `builder`, or a directory.
    pub name: String,
    /// Bytes in regular files, a file with several names once.
    pub bytes: u64,
    /// Paths.
    pub entries: usize,
}

/// All bytes of a guest, cut in two ways. Both lists are sorted by bytes, the
/// largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sizes {
    /// Bytes in regular files.
    pub bytes: u64,
    /// Paths.
    pub entries: usize,
    /// By who brought them.
    pub origins: Vec<Share>,
    /// By directory, two levels deep.
    pub directories: Vec<Share>,
}

/// How the bytes of one part changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The part.
    pub name: String,
    /// Bytes before; none where it is new.
    pub before: Option<u64>,
    /// Bytes now; none where it is gone.
    pub after: Option<u64>,
}

impl Change {
    /// Bytes more (or less) than before.
    #[must_use]
    pub fn delta(&self) -> i128 {
        i128::from(self.after.unwrap_or(0)) - i128::from(self.before.unwrap_or(0))
    }
}

impl Sizes {
    /// Sums up a list of contents.
    #[must_use]
    pub fn of(contents: &Contents) -> Self {
        let mut origins = BTreeMap::new();
        let mut directories = BTreeMap::new();
        let mut bytes = 0;
        for entry in &contents.entries {
            bytes += entry.bytes();
            let origin = entry.package().unwrap_or_else(|| {
                entry.origin.split_once(':').map_or(entry.origin.as_str(), |(kind, _)| kind)
            });
            for (map, name) in [
                (&mut origins, origin.to_owned()),
                (&mut directories, directory(&entry.path).to_owned()),
            ] {
                let share: &mut (u64, usize) = map.entry(name).or_default();
                share.0 += entry.bytes();
                share.1 += 1;
            }
        }
        let entries = contents.entries.len();
        Self { bytes, entries, origins: sorted(origins), directories: sorted(directories) }
    }

    /// For a terminal: both tables, each with the `most` largest parts and the
    /// rest as one.
    #[must_use]
    pub fn to_text(&self, most: usize) -> String {
        let mut out = format!("{} in {} entries\n", human(self.bytes), self.entries);
        for (title, shares) in [("package", &self.origins), ("directory", &self.directories)] {
            writeln!(out, "\n{:>10} {:>6} {:>8}  {title}", "bytes", "share", "entries")
                .expect("a String takes everything");
            for share in shares.iter().take(most) {
                out += &self.row(share);
            }
            let rest = shares.get(most..).unwrap_or_default();
            if !rest.is_empty() {
                out += &self.row(&Share {
                    name: format!("({} more)", rest.len()),
                    bytes: rest.iter().map(|share| share.bytes).sum(),
                    entries: rest.iter().map(|share| share.entries).sum(),
                });
            }
        }
        out
    }

    fn row(&self, share: &Share) -> String {
        let percent = share.bytes as f64 * 100.0 / (self.bytes.max(1)) as f64;
        let Share { name, bytes, entries } = share;
        format!("{:>10} {percent:>5.1}% {entries:>8}  {name}\n", human(*bytes))
    }
}

/// The first two parts of a path's directory: `/usr/lib` of `/usr/lib/a/b`.
fn directory(path: &str) -> &str {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let end = parent.match_indices('/').nth(2).map_or(parent.len(), |(at, _)| at);
    if end == 0 { "/" } else { &parent[..end] }
}

fn sorted(map: BTreeMap<String, (u64, usize)>) -> Vec<Share> {
    let mut shares: Vec<Share> =
        map.into_iter().map(|(name, (bytes, entries))| Share { name, bytes, entries }).collect();
    // Names are in order already and stay so among equals.
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

/// What changed from `before` to `after`, the largest change first; parts of
/// the same size are left out.
#[must_use]
pub fn compare(before: &[Share], after: &[Share]) -> Vec<Change> {
    let old: BTreeMap<&str, u64> = before.iter().map(|s| (s.name.as_str(), s.bytes)).collect();
    let new: BTreeMap<&str, u64> = after.iter().map(|s| (s.name.as_str(), s.bytes)).collect();
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes: Vec<Change> = names
        .into_iter()
        .map(|name| Change {
            name: name.to_owned(),
            before: old.get(name).copied(),
            after: new.get(name).copied(),
        })
        .filter(|change| change.before != change.after)
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.delta().unsigned_abs()));
    changes
}

/// Bytes for people: three or four digits with a binary unit.
#[must_use]
pub(crate) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["KiB", "MiB", "GiB"] {
        value /= 1024.0;
        if value < 1023.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} TiB", value / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let shown: Vec<String> = [0, 1023, 1024, 1_048_575, 1 << 30, 1 << 50].map(human).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 GiB", "1024.0 TiB"]);
    }

    #[test]
    fn directories_are_two_levels_deep() {
        let shown = ["/", "/init", "/usr/x", "/usr/lib/x", "/usr/lib/a/b/c"].map(directory);
        assert_eq!(shown, ["/", "/", "/usr", "/usr/lib", "/usr/lib"]);
    }
}
