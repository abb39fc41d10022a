//! How process 1 leaves the machine: nobody writes any more, everything is on
//! disk, then power off.

use std::path::Path;

use crate::os::{Mount, Os};
use crate::procfs;

/// Filesystems that keep nothing on a disk, or that can't be detached.
const IN_MEMORY: [&str; 16] = [
    "rootfs",
    "tmpfs",
    "ramfs",
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "mqueue",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "autofs",
    "hugetlbfs",
];

/// Ends all other processes, unmounts what is on disks or makes it read-only, writes
/// everything out and powers off. Returns only if the kernel refuses.
pub fn leave(os: &dyn Os) -> std::io::Result<()> {
    os.sync();
    // In a mere namespace the filesystems go on being used by others: a read-only
    // remount there would hit the whole machine.
    if os.owns_machine() {
        os.kill_all();
        let table = os.read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
        let mut mounts = procfs::mounts(&table);
        mounts.reverse();
        for mount in mounts.iter().filter(|mount| !IN_MEMORY.contains(&mount.fstype.as_str())) {
            let target = Path::new(&mount.target);
            if mount.target != "/" && os.unmount(target, false).is_ok() {
                continue;
            }
            if mount.options.split(',').any(|option| option == "ro") {
                continue;
            }
            let read_only =
                Mount { source: &mount.source, target, fstype: "", options: "remount,ro" };
            // Whatever can't be made read-only is synced once more below.
            let _ = os.mount(&read_only);
        }
        os.sync();
    }
    os.power_off()
}
