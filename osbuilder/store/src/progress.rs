//! What the store tells about its work while it is at it.
//!
//! Sits between the store and whoever draws bars or prints lines; it must not
//! know about terminals.

use std::time::Duration;

/// Receives events, from several threads at once.
pub trait Progress: Send + Sync {
    /// Called for each event; it should return quickly, since the transfer waits.
    fn event(&self, event: Event<'_>);
}

/// One thing that happened to one request, named by the request's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A transfer is about to start; not sent for what the cache had.
    Started {
        /// The request's label.
        label: &'a str,
        /// Bytes to expect, where the caller knows.
        total: Option<u64>,
    },
    /// More bytes came in.
    Advanced {
        /// The request's label.
        label: &'a str,
        /// Bytes since the last event of this kind. A transfer that starts over
        /// counts from its beginning again, so the sum may pass the total.
        bytes: u64,
    },
    /// The bytes are there and proven.
    Finished {
        /// The request's label.
        label: &'a str,
        /// Whether no transfer was needed.
        cached: bool,
    },
    /// A transfer failed in a way that may pass and will be tried again.
    Retrying {
        /// The request's label.
        label: &'a str,
        /// What went wrong.
        why: &'a str,
        /// How long the store waits first.
        in_: Duration,
    },
}

/// Ignores every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}
}
