//! How times spread.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Times of the same thing, done many times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many times it was done.
    pub count: usize,
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Spread {
    /// Of these times; none is all zeros.
    #[must_use]
    pub fn of(times: &[Duration]) -> Self {
        let mut times: Vec<u64> =
            times.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).collect();
        times.sort_unstable();
        let max = times.last().copied().unwrap_or_default();
        Self { count: times.len(), p50: percentile(&times, 50), p99: percentile(&times, 99), max }
    }
}

/// The smallest of the sorted values that `percent` of all do not exceed (nearest rank).
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(micros: impl IntoIterator<Item = u64>, expected: (usize, u64, u64, u64)) {
        let times: Vec<Duration> = micros.into_iter().map(Duration::from_micros).collect();
        let Spread { count, p50, p99, max } = Spread::of(&times);
        assert_eq!((count, p50, p99, max), expected);
    }

    #[test]
    fn nearest_ranks() {
        check([], (0, 0, 0, 0));
        check([7], (1, 7, 7, 7));
        check([4, 2], (2, 2, 4, 4));
        check([9, 1, 5], (3, 5, 9, 9));
        check((1..=100).rev(), (100, 50, 99, 100));
        check(1..=1000, (1000, 500, 990, 1000));
        // One of two hundred may be slow without the 99th showing it.
        check((0..199).map(|_| 3).chain([80]), (200, 3, 3, 80));
    }
}
