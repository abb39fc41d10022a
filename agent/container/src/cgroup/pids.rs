//! The number of processes.

use oci_spec::runtime::LinuxPids;

use super::{Write, limit};

/// Orders for the pids controller; 0 means that nothing was said.
pub(super) fn plan(pids: LinuxPids, writes: &mut Vec<Write>) {
    if pids.limit() != 0 {
        writes.push(Write::new("pids.max", limit(pids.limit())));
    }
}
