//! Filesystems of mke2fs in files; and a mounted one where this machine mounts any.

use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::os::{Linux, Recorder};

const MIB: u64 = 1 << 20;

/// A file of 64 MiB with a filesystem of 16 MiB.
fn disk(folder: &TempDir, options: &[&str]) -> Disk {
    let node = folder.path().join("disk");
    File::create(&node).unwrap().set_len(64 * MIB).unwrap();
    let mut command = Command::new("mke2fs");
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-q", "-F", "-t", "ext4"]);
    assert!(command.args(options).arg(&node).arg("16M").status().unwrap().success());
    Disk { node, size: 64 * MIB }
}

#[test]
fn the_size_that_the_filesystem_itself_says() {
    let folder = tempfile::tempdir().unwrap();
    let now = Superblock::read(&disk(&folder, &["-b", "4096"]).node).unwrap();
    assert_eq!(now, Some(Superblock { block_size: 4096, blocks: 4096 }));
    let now = Superblock::read(&disk(&folder, &["-b", "1024", "-O", "^64bit"]).node).unwrap();
    assert_eq!(now, Some(Superblock { block_size: 1024, blocks: 16384 }));
    assert_eq!(Superblock::parse(&[0; 1024]), None);
    let mut odd = [0xFF; 1024];
    odd[56..58].copy_from_slice(&[0x53, 0xEF]);
    assert_eq!(Superblock::parse(&odd), None, "no block is that large");
}

#[test]
fn what_is_asked_of_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let disk = disk(&folder, &["-b", "4096"]);
    let os = Recorder::new();
    let volume = Path::new("/volume");
    for size in [32 * MIB, 32 * MIB + 5, 0, 16 * MIB, 1] {
        grow(&os, volume, &disk, size).unwrap();
    }
    assert_eq!(os.log(), "grow /volume 8192\ngrow /volume 8192\ngrow /volume 16384\n");
    let fault = grow(&os, volume, &disk, 64 * MIB + 1).unwrap_err();
    assert!(matches!(fault, Fault::FailedPrecondition(_)), "{fault}");
    assert!(fault.to_string().ends_with("its disk has 67108864"), "{fault}");
    std::fs::write(&disk.node, vec![0; 4096]).unwrap();
    let fault = grow(&os, volume, &disk, 0).unwrap_err();
    assert!(fault.to_string().contains("there is no ext4 on "), "{fault}");
}

#[test]
fn what_can_not_grow() {
    let sys = Path::new("/sys");
    let folder = tempfile::tempdir().unwrap();
    let fault = |mountinfo: &str, sys: &Path, volume: &Path| match disk_of(volume, mountinfo, sys) {
        Err(fault) => fault,
        Ok(disk) => panic!("{} can grow", disk.node.display()),
    };
    let line = |fstype: &str| format!("1 1 0:2 / {} rw - {fstype} x rw\n", folder.path().display());
    let gone = fault("", sys, Path::new("/nowhere"));
    assert!(matches!(gone, Fault::NotFound(_)), "{gone}");
    let plain = fault("", sys, folder.path());
    assert!(plain.to_string().starts_with("nothing is mounted at "), "{plain}");
    let tmpfs = fault(&line("tmpfs"), sys, folder.path());
    assert!(tmpfs.to_string().contains(" is tmpfs, and only ext4 can grow"), "{tmpfs}");
    let unknown = fault(&line("ext4"), Path::new("/nowhere"), folder.path());
    assert!(unknown.to_string().contains("on no disk"), "{unknown}");
}

/// Undoes what the test has mounted, also when it fails.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_mounted_filesystem_grows() {
    let folder = tempfile::tempdir().unwrap();
    let file = disk(&folder, &[]).node;
    let volume = folder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    let mounted = Command::new("mount").args(["-o", "loop"]).arg(&file).arg(&volume).output();
    if !mounted.unwrap().status.success() {
        // No right to mount: the tests above have asked for what follows here.
        let not_there = disk_of(&volume, &read("/proc/self/mountinfo"), Path::new("/sys"));
        assert!(matches!(not_there, Err(Fault::FailedPrecondition(_))));
        return;
    }
    let _mounted = Mounted(volume.clone());
    let disk = disk_of(&volume, &read("/proc/self/mountinfo"), Path::new("/sys")).unwrap();
    assert_eq!(disk.size, 64 * MIB);
    assert!(disk.node.starts_with("/dev/"));
    let size = || fs::metadata(&file).map(|_| Superblock::read(&disk.node).unwrap().unwrap());
    assert_eq!(size().unwrap().blocks * size().unwrap().block_size, 16 * MIB);
    match grow(&Linux, &volume, &disk, 48 * MIB) {
        Ok(()) => assert_eq!(size().unwrap().blocks * size().unwrap().block_size, 48 * MIB),
        // Root without CAP_SYS_RESOURCE may mount and may not grow.
        Err(Fault::Internal { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
        }
        Err(other) => panic!("{other}"),
    }
}
