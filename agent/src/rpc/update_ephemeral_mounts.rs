//! `UpdateEphemeralMounts`: gives a tmpfs that is mounted other options, mostly
//! another size after the guest has got more memory.

use std::path::Path;

use kata_agent_api::agent::{Storage, UpdateEphemeralMountsRequest};
use protobuf::well_known_types::empty::Empty;

use super::{Fault, path};
use crate::os::{Mount, Os};
use crate::procfs;
use crate::server::Agent;

const DRIVER: &str = "ephemeral";
const FSTYPE: &str = "tmpfs";

/// Flags of a mount that stay unless their opposite is asked for.
const KEPT: [(&str, &str); 4] =
    [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("ro", "rw")];

pub(super) async fn call(
    agent: &Agent,
    request: UpdateEphemeralMountsRequest,
) -> Result<Empty, Fault> {
    // All are judged before the first one changes.
    let targets: Vec<&Path> = request.storages.iter().map(check).collect::<Result<_, _>>()?;
    for (storage, target) in request.storages.iter().zip(targets) {
        remount(agent.os.as_ref(), storage, target)?;
    }
    Ok(Empty::new())
}

fn check(storage: &Storage) -> Result<&Path, Fault> {
    if storage.driver != DRIVER || storage.fstype != FSTYPE {
        return Err(Fault::InvalidArgument(format!(
            "{:?} of the driver {:?} can't be changed while it is mounted; {FSTYPE} of the \
             driver {DRIVER} can",
            storage.fstype, storage.driver
        )));
    }
    path::plain("mount_point", &storage.mount_point)
}

fn remount(os: &dyn Os, storage: &Storage, target: &Path) -> Result<(), Fault> {
    let mounts = os
        .read(Path::new("/proc/self/mountinfo"))
        .map_err(Fault::internal("can't read what is mounted"))?;
    let mounts = procfs::mounts(&mounts);
    let there = mounts.iter().rev().find(|mount| Path::new(&mount.target) == target);
    let Some(there) = there.filter(|mount| mount.fstype == FSTYPE) else {
        return Err(Fault::NotFound(format!("no {FSTYPE} is mounted on {}", target.display())));
    };
    // The group was given when it was mounted first.
    let asked = storage.options.iter().map(String::as_str);
    let asked = asked.filter(|option| *option != "remount" && !option.starts_with("fsgid="));
    let mut options: Vec<&str> = asked.collect();
    if options.is_empty() {
        return Ok(());
    }
    // The kernel takes away what a remount does not name.
    for (flag, opposite) in KEPT {
        let is_on = there.options.split(',').any(|option| option == flag);
        if is_on && !options.contains(&flag) && !options.contains(&opposite) {
            options.push(flag);
        }
    }
    options.insert(0, "remount");
    let source = if storage.source.is_empty() { FSTYPE } else { &storage.source };
    os.mount(&Mount { source, target, fstype: FSTYPE, options: &options.join(",") })
        .map_err(Fault::internal(format!("can't change the tmpfs on {}", target.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Recorder;

    const MOUNTINFO: &str = "\
        30 1 0:30 / /run/kata-containers/sandbox/shm rw,nosuid,noexec,relatime - tmpfs shm rw\n\
        31 1 8:1 / /data rw - ext4 /dev/vda rw\n";

    fn storage(options: &[&str]) -> Storage {
        Storage {
            driver: DRIVER.into(),
            fstype: FSTYPE.into(),
            source: "shm".into(),
            mount_point: "/run/kata-containers/sandbox/shm".into(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            ..Storage::default()
        }
    }

    #[test]
    fn a_tmpfs_gets_another_size() {
        let os = Recorder::new().with_file("/proc/self/mountinfo", MOUNTINFO);
        for options in [&["remount", "size=64M", "fsgid=7"][..], &["size=1G", "suid"], &["fsgid=7"]]
        {
            let storage = storage(options);
            remount(&os, &storage, check(&storage).unwrap()).unwrap();
        }
        expect_test::expect![[r"
            mount shm /run/kata-containers/sandbox/shm tmpfs remount,size=64M,nosuid,noexec
            mount shm /run/kata-containers/sandbox/shm tmpfs remount,size=1G,suid,noexec
        "]]
        .assert_eq(&os.log());
        let refusing = Recorder::new().failing("mount", 22);
        let refusing = refusing.with_file("/proc/self/mountinfo", MOUNTINFO);
        let storage = storage(&["size=1"]);
        let fault = remount(&refusing, &storage, check(&storage).unwrap()).unwrap_err();
        assert!(fault.to_string().starts_with("can't change the tmpfs on /run/"), "{fault}");
        let elsewhere = remount(&os, &storage, Path::new("/data")).unwrap_err();
        assert!(matches!(elsewhere, Fault::NotFound(_)), "it is no tmpfs: {elsewhere}");
    }

    #[test]
    fn other_storages_are_refused() {
        let good = storage(&["size=1G"]);
        for wrong in [
            Storage { driver: "local".into(), ..good.clone() },
            Storage { fstype: "hugetlbfs".into(), ..good.clone() },
            Storage { mount_point: "../shm".into(), ..good },
        ] {
            assert!(matches!(check(&wrong), Err(Fault::InvalidArgument(_))), "{wrong:?}");
        }
    }
}
