//! What was measured, and how growth is judged.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::footprint::Footprint;
use super::spread::Spread;

/// The stripped agent should have fewer bytes.
pub const AIM_BINARY: u64 = 6 << 20;
/// The agent should hold fewer bytes of memory after boot.
pub const AIM_RESIDENT: u64 = 8 << 20;

/// What one run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// After boot, before the first container.
    pub boot: Footprint,
    /// With so many containers at once; the first has none, and so has the last, when
    /// all are gone again.
    pub held: Vec<After>,
    /// Times, in the order in which they were taken.
    pub times: Vec<Timed>,
    /// Streams.
    pub streams: Vec<Stream>,
    /// After so many further processes in one container.
    pub execs: Vec<After>,
    /// After so many containers that have come and gone.
    pub cycles: Vec<After>,
}

/// A footprint after something was done so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// How many times.
    pub count: u32,
    /// The footprint then.
    pub footprint: Footprint,
}

/// How long something takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// What.
    pub name: String,
    /// How long.
    pub spread: Spread,
}

impl Timed {
    /// Of these times.
    pub(super) fn new(name: &str, times: &[Duration]) -> Self {
        Self { name: name.to_owned(), spread: Spread::of(times) }
    }
}

/// How fast a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Which.
    pub name: String,
    /// Bytes that went through it.
    pub bytes: u64,
    /// Microseconds that they took.
    pub micros: u64,
}

impl Stream {
    /// Bytes in a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.bytes.saturating_mul(1_000_000) / self.micros.max(1)
    }
}

impl Measured {
    /// What grew though it must not: one sentence each.
    #[must_use]
    pub fn grown(&self) -> Vec<String> {
        let series = [("containers", &self.cycles), ("further processes", &self.execs)];
        let mut sentences = Vec::new();
        for (what, series) in series {
            if let Some((from, to, words)) = growth(series) {
                let words = words.into_iter();
                sentences.extend(words.map(|word| format!("{what} {from} to {to}: {word}")));
            }
        }
        sentences
    }
}

/// After how many times everything that is made once is there, when `total` are made.
pub(super) fn warm(total: u32) -> u32 {
    (total / 2).min(100)
}

/// What the last of a series has more than the one that was taken when the agent was warm,
/// with the counts of both.
fn growth(series: &[After]) -> Option<(u32, u32, Vec<String>)> {
    let last = series.last()?;
    let first = series.iter().find(|after| after.count >= warm(last.count))?;
    Some((first.count, last.count, last.footprint.grown_since(&first.footprint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(count: u32, open_files: u64, resident: u64) -> After {
        let footprint = Footprint {
            resident,
            available: 1 << 28,
            open_files,
            processes: 1,
            mounts: 9,
            cgroups: 2,
        };
        After { count, footprint }
    }

    fn with(cycles: Vec<After>, execs: Vec<After>) -> Measured {
        let boot = after(0, 1, 1).footprint;
        Measured { boot, held: Vec::new(), times: Vec::new(), streams: Vec::new(), execs, cycles }
    }

    #[test]
    fn growth_counts_from_the_warm_agent_on() {
        let none: Vec<String> = Vec::new();
        // What is made in the first hundred is made once.
        let once = vec![after(0, 8, 0), after(100, 9, 4 << 20), after(1000, 9, 4 << 20)];
        assert_eq!(with(once, Vec::new()).grown(), none);
        // What comes later is a leak, even where the one before the last was as large.
        let leak = vec![after(0, 9, 0), after(100, 9, 0), after(900, 10, 0), after(1000, 10, 0)];
        let sentence = ["containers 100 to 1000: open files from 9 to 10"];
        assert_eq!(with(leak.clone(), Vec::new()).grown(), sentence);
        let both = with(leak, vec![after(0, 9, 0), after(100, 9, 0), after(500, 9, 1 << 20)]);
        let second = "further processes 100 to 500: memory from 0 KiB to 1024 KiB";
        assert_eq!(both.grown(), [sentence[0], second]);
    }

    #[test]
    fn a_short_series_is_warm_at_its_half() {
        assert_eq!([warm(1000), warm(200), warm(20), warm(1), warm(0)], [100, 100, 10, 0, 0]);
        let short = vec![after(0, 5, 0), after(10, 6, 0), after(20, 7, 0)];
        let sentence = ["containers 10 to 20: open files from 6 to 7"];
        assert_eq!(with(short, Vec::new()).grown(), sentence);
        assert!(with(Vec::new(), Vec::new()).grown().is_empty());
    }

    #[test]
    fn rates_are_of_a_second() {
        let stream = |bytes, micros| Stream { name: "s".into(), bytes, micros }.rate();
        assert_eq!(stream(16 << 20, 2_000_000), 8 << 20);
        assert_eq!(stream(5, 0), 5_000_000, "no time is as good as the shortest");
    }
}
