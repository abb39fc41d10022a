//! The part of a spec that may change while a container runs: its limits.

use oci_spec::runtime::LinuxResources;

use super::Invalid;
use crate::cgroup::{self, Policy};

/// Checks limits by converting them.
pub(crate) fn check(resources: &LinuxResources) -> Result<(), Invalid> {
    Policy::new(resources.devices().as_deref().unwrap_or_default(), &[])?;
    cgroup::plan(resources).map(drop)
}
