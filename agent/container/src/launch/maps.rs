//! The users of a new user namespace, written from outside, as the kernel wants it.

use oci_spec::runtime::{Linux, LinuxIdMapping};

use crate::error::Error;
use crate::procfs;

/// Writes both maps.
pub(super) fn write(pid: i32, linux: &Linux) -> Result<(), Error> {
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    procfs::write(pid, "uid_map", &lines(uids))?;
    procfs::write(pid, "gid_map", &lines(gids))
}

fn lines(maps: &[LinuxIdMapping]) -> String {
    maps.iter()
        .map(|map| format!("{} {} {}\n", map.container_id(), map.host_id(), map.size()))
        .collect()
}
