//! `RemoveStaleVirtiofsShareMounts`: has the kernel look at what is mounted in the
//! shared folder. Where the host has removed a folder, the kernel learns of it by that
//! look alone; it takes the mount away then, and the host's daemon closes its files.

use std::path::Path;

use kata_agent_api::agent::RemoveStaleVirtiofsShareMountsRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::procfs;
use crate::report::read;
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    _: RemoveStaleVirtiofsShareMountsRequest,
) -> Result<Empty, Fault> {
    let shared = agent.paths.shared_containers();
    let work = move || look_at(&read("/proc/self/mountinfo"), &shared);
    let gone = in_background("look at the shared folder", work).await?;
    if gone > 0 {
        log::info!("{gone} mounts of the shared folder are gone on the host");
    }
    Ok(Empty::new())
}

/// How many of the mounts below `shared` are not there any more.
fn look_at(mountinfo: &str, shared: &Path) -> usize {
    let mounts = procfs::mounts(mountinfo);
    let below = mounts.iter().map(|mount| Path::new(&mount.target));
    below.filter(|target| target.starts_with(shared) && target.metadata().is_err()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_the_shared_folder_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("containers");
        std::fs::create_dir_all(shared.join("there")).unwrap();
        let line =
            |path: &Path| format!("1 1 0:2 / {} rw - virtiofs kataShared rw\n", path.display());
        let mountinfo = [shared.join("there"), shared.join("gone"), folder.path().join("other")]
            .iter()
            .map(|path| line(path))
            .collect::<String>();
        assert_eq!(look_at(&mountinfo, &shared), 1);
    }
}
