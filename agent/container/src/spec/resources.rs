//! The part of a spec that may change while a container runs: its limits.

use oci_spec::runtime::LinuxResources;

use super::{Invalid, MOST_ENTRIES};
use crate::cgroup;

/// Checks limits by converting them.
pub(crate) fn check(resources: &LinuxResources) -> Result<(), Invalid> {
    let devices = resources.devices().as_deref().unwrap_or_default();
    if devices.len() > MOST_ENTRIES {
        return Err(Invalid::new("linux.resources.devices", "are too many"));
    }
    cgroup::plan(resources).map(drop)
}
