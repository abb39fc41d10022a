//! Ids of spans and traces. They have to differ, not to be secret, and must not wait
//! for a guest that has just booted to gather entropy: std's own keys do not wait.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Makes ids.
#[derive(Debug, Default)]
pub(super) struct Ids {
    keys: RandomState,
    made: AtomicU64,
}

impl Ids {
    /// Of a span; never 0, which stands for none.
    pub(super) fn span(&self) -> u64 {
        loop {
            let count = self.made.fetch_add(1, Ordering::Relaxed);
            // The clock tells guests apart that were cloned from one memory image.
            let id = self.keys.hash_one((count, SystemTime::now()));
            if id != 0 {
                return id;
            }
        }
    }

    /// Of a trace.
    pub(super) fn trace(&self) -> u128 {
        u128::from(self.span()) << 64 | u128::from(self.span())
    }
}
