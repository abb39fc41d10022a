//! The entry point of the fuzz target: bytes that may be a spec.

use oci_spec::runtime::Spec;

use super::{Surroundings, check};
use crate::seccomp;

/// Larger specs are not read.
const MOST_BYTES: usize = 1 << 20;

/// Reads `bytes` as a spec and judges it, with every conversion that is made before
/// the kernel is asked. Must never panic; memory stays within some megabytes.
pub fn fuzz_spec(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let Ok(spec) = serde_json::from_slice::<Spec>(bytes) else { return };
    if check(&spec, Surroundings { network_is_the_pods: true }).is_err() {
        return;
    }
    let Some(linux) = spec.linux() else { return };
    if let Some(filter) = linux.seccomp() {
        let _ = seccomp::compile(filter);
    }
    if let Some(resources) = linux.resources() {
        let _ = crate::cgroup::plan(resources);
    }
    let _ = crate::cgroup::path_of(linux.cgroups_path().as_deref(), "fuzz");
}
