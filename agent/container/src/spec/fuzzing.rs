//! The entry point of the fuzz target: bytes that may be a spec.

use std::path::Component;

use oci_spec::runtime::Spec;

use super::{Surroundings, check};
use crate::cgroup::{self, Policy};
use crate::seccomp;

/// Larger specs are not read.
const MOST_BYTES: usize = 1 << 20;

/// Reads `bytes` as a spec and judges it, with every conversion that is made before
/// the kernel is asked. Panics only when an answer leads out of the container's cgroup;
/// memory stays within some megabytes.
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
    let resources = linux.resources().clone().unwrap_or_default();
    for write in cgroup::plan(&resources).into_iter().flatten() {
        assert!(!write.file.contains('/'), "{} leaves the cgroup", write.file);
    }
    let rules = resources.devices().as_deref().unwrap_or_default();
    let nodes = linux.devices().as_deref().unwrap_or_default();
    if let Ok(policy) = Policy::new(rules, nodes) {
        let program = cgroup::device_program(&policy);
        assert!(program.len() < MOST_BYTES, "the program is too long");
    }
    if let Ok(path) = cgroup::path_of(linux.cgroups_path().as_deref(), "fuzz") {
        let stays = path.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(stays, "{} leaves the hierarchy", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn seeds_of_the_fuzz_target_are_specs_and_damaged_ones_do_no_harm() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        assert!(fuzz.join("fuzz_targets/container_spec.rs").is_file());
        let folder = fs::read_dir(fuzz.join("seeds/container_spec")).expect("it is there");
        let mut count = 0;
        for file in folder {
            let path = file.expect("it can be listed").path();
            let seed = fs::read(&path).expect("it can be read");
            let spec: Spec = serde_json::from_slice(&seed).expect("it is a spec");
            let surroundings = Surroundings { network_is_the_pods: true };
            assert_eq!(check(&spec, surroundings), Ok(()), "{}", path.display());
            fuzz_spec(&seed);
            // A step that meets every part of a list of words in the end.
            for at in (0..seed.len()).step_by(7) {
                for byte in [b'0', b'"', b'-', b'/', b'z', 0xff] {
                    let mut damaged = seed.clone();
                    damaged[at] = byte;
                    fuzz_spec(&damaged);
                }
                let mut shortened = seed.clone();
                shortened.drain(at..seed.len().min(at + 9));
                fuzz_spec(&shortened);
            }
            count += 1;
        }
        assert!(count > 2);
    }
}
