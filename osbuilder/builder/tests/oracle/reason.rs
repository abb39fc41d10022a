//! Differences between two trees, and the reasons for which they are right.

use crate::listing::{Listing, Seen};
use std::fmt::Write as _;

/// Which way two trees differ at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Only our tree has it.
    Ours,
    /// Only the other tool's tree has it.
    Theirs,
    /// Both have it, not the same.
    Both,
}

/// A difference that is meant.
#[derive(Debug)]
pub struct Reason {
    /// The way.
    pub side: Side,
    /// The paths: exact, or everything below where it ends in `/**`.
    pub paths: &'static [&'static str],
    /// Why, in a sentence.
    pub why: &'static str,
}

impl Reason {
    fn fits(&self, side: Side, path: &str) -> bool {
        let covers = |pattern: &&str| match pattern.strip_suffix("/**") {
            Some(folder) => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
            None => *pattern == path,
        };
        self.side == side && self.paths.iter().any(covers)
    }
}

fn shown(seen: &Seen) -> String {
    let Seen { kind, mode, owner: (uid, gid), content, linked } = seen;
    format!("{kind} {mode:04o} {uid}:{gid} {content} {}", linked.as_deref().unwrap_or_default())
}

/// Fails unless each difference has a reason and each reason a difference.
pub fn compare(ours: &Listing, theirs: &Listing, reasons: &[&Reason]) {
    let mut used = vec![0; reasons.len()];
    let mut unexplained = String::new();
    let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut same = 0;
    for path in paths {
        let side = match (ours.get(path), theirs.get(path)) {
            (Some(one), Some(other)) if one == other => {
                same += 1;
                continue;
            }
            (Some(_), Some(_)) => Side::Both,
            (Some(_), None) => Side::Ours,
            (None, _) => Side::Theirs,
        };
        match reasons.iter().position(|reason| reason.fits(side, path)) {
            Some(place) => used[place] += 1,
            None => {
                writeln!(unexplained, "{side:?} {path}").unwrap();
                for (who, tree) in [("ours", ours), ("theirs", theirs)] {
                    if let Some(seen) = tree.get(path) {
                        writeln!(unexplained, "    {who}: {}", shown(seen)).unwrap();
                    }
                }
            }
        }
    }
    for (reason, count) in reasons.iter().zip(&used) {
        println!("{count:5} paths: {}", reason.why);
    }
    println!("{same:5} paths are the same");
    assert!(unexplained.is_empty(), "differences without a reason:\n{unexplained}");
    let idle: Vec<&str> =
        reasons.iter().zip(&used).filter(|(_, n)| **n == 0).map(|(r, _)| r.why).collect();
    assert!(idle.is_empty(), "reasons that explain nothing: {idle:#?}");
    assert!(same > 100, "only {same} paths are the same");
}
