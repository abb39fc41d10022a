//! A span that has ended: what the host is told. Must not know how it looks on the
//! wire.

use std::time::SystemTime;

use super::attributes::Attribute;

/// Whose work a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(super) enum Kind {
    /// Somebody else's request.
    Server,
    /// The agent's own.
    Internal,
}

/// Where a span belongs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    /// 0 is none.
    pub(super) parent: u64,
    /// As the caller said.
    pub(super) state: Vec<(String, String)>,
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<Attribute>,
    /// The code of the failure, or of none.
    pub(super) outcome: Result<(), String>,
}
