//! Disks of a made-up sysfs, and what is asked of the operating system for them.

use std::fs;

use expect_test::expect;

use super::*;
use crate::os::Recorder;

/// A sysfs with these disks: device name, serial number, partitions.
fn sysfs(disks: &[(&str, &str, u32)]) -> tempfile::TempDir {
    let sys = tempfile::tempdir().unwrap();
    fs::create_dir_all(sys.path().join("block/pmem0")).unwrap();
    for (index, (disk, serial, partitions)) in disks.iter().enumerate() {
        let folder = sys.path().join("block").join(disk);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("serial"), serial).unwrap();
        for number in 1..=*partitions {
            let partition = folder.join(format!("{disk}{number}"));
            fs::create_dir_all(&partition).unwrap();
            fs::write(partition.join("dev"), format!("25{index}:{number}\n")).unwrap();
            fs::write(partition.join("size"), "2048\n").unwrap();
        }
    }
    sys
}

fn params(name: &str) -> String {
    let root = "0A".repeat(32);
    format!(
        "quiet kata.extension.{name}.verity_params=root_hash={root},salt=ff00,data_blocks=256,\
         data_block_size=4096,hash_block_size=4096 ro"
    )
}

fn mount(os: &Recorder, disks: &[(&str, &str, u32)], cmdline: &str) -> Result<(), String> {
    let sys = sysfs(disks);
    mount_all(os, sys.path(), cmdline, Duration::ZERO).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(disks: &[(&str, &str, u32)], cmdline: &str, reason: &str) {
    let os = Recorder::new();
    assert_eq!(mount(&os, disks, cmdline).unwrap_err(), reason);
    assert!(!os.log().contains("mount"), "{}", os.log());
}

#[test]
fn a_guest_without_extensions_is_left_alone() {
    let os = Recorder::new();
    mount(&os, &[("vda", "", 1), ("vdb", "other", 1)], "root=/dev/vda1").unwrap();
    mount_all(&os, Path::new("/nonexistent"), "quiet", Duration::ZERO).unwrap();
    assert_eq!(os.log(), "");
}

#[test]
fn a_measured_one_and_a_plain_one() {
    let os = Recorder::new();
    let disks = [("vda", "", 1), ("vdb", "extension-tools\0\n", 1), ("vdc", "extension-gpu", 2)];
    mount(&os, &disks, &params("gpu")).unwrap();
    expect![[r"
        verity extension-gpu 2048 1 252:1 252:2 4096 4096 256 0 sha256 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a ff00
        mkdir /run/kata-extensions/gpu 755
        mount /dev/dm-0 /run/kata-extensions/gpu erofs ro,nosuid,nodev
        mkdir /run/kata-extensions/tools 755
        mount /dev/vdb1 /run/kata-extensions/tools erofs ro,nosuid,nodev
    "]]
    .assert_eq(&os.log());
}

#[test]
fn what_is_mounted_stays_as_it_is() {
    let mounts = "/dev/dm-0 /run/kata-extensions/gpu erofs ro 0 0\n";
    let os = Recorder::new().with_file("/proc/self/mounts", mounts);
    mount(&os, &[("vdb", "extension-gpu", 2)], &params("gpu")).unwrap();
    assert_eq!(os.log(), "");
}

#[test]
fn digests_and_parameters_come_together_or_not_at_all() {
    refused(
        &[("vdb", "extension-gpu", 2)],
        "quiet",
        "the extension gpu on vdb: it has a partition of digests, but the kernel command line \
         has no verity_params for it",
    );
    refused(
        &[("vdb", "extension-gpu", 1)],
        &params("gpu"),
        "the extension gpu on vdb: the kernel command line has verity_params for it, but it has \
         no partition of digests",
    );
    refused(
        &[("vdb", "extension-gpu", 0)],
        "",
        "the extension gpu on vdb: it has no first partition",
    );
}

#[test]
fn disks_that_are_not_as_they_should_be() {
    refused(
        &[("vdb", "extension-a", 1), ("vdc", "extension-a", 1)],
        "",
        "the extension a has two disks, vdb and vdc",
    );
    refused(
        &[("vdb", "extension-../x", 1)],
        "",
        "\"../x\" is no name of an extension: 1 to 10 letters, digits and dashes",
    );
    refused(
        &[("vdb", "other", 2)],
        &params("gpu"),
        "the extension gpu has no disk: none has the serial number extension-gpu after 0 s",
    );
    refused(
        &[("vdb", "extension-gpu", 2)],
        &params("gpu").replace("blocks=256", "blocks=257"),
        "the extension gpu on vdb: verity_params cover 257 blocks of 4096 bytes, vdb1 has \
         1048576 bytes",
    );
}

#[test]
fn a_disk_that_comes_late_is_waited_for() {
    let sys = sysfs(&[]);
    let folder = sys.path().join("block/vdb");
    let path = sys.path().to_owned();
    let waiting = std::thread::spawn(move || {
        let cmdline = params("gpu");
        let os = Recorder::new();
        mount_all(&os, &path, &cmdline, Duration::from_secs(60)).map(|()| os.log())
    });
    let ready = sysfs(&[("vdb", "extension-gpu", 2)]);
    // In one step, as the kernel shows a disk when it has read its partitions.
    fs::rename(ready.path().join("block/vdb"), folder).unwrap();
    assert!(waiting.join().unwrap().unwrap().contains("mount /dev/dm-0"));
}

#[test]
fn parameters_that_make_no_sense() {
    let good = params("gpu");
    for (change, to, problem) in [
        ("root_hash=0A", "root_hash=0", "root_hash is no SHA-256 digest of 64 hexadecimal digits"),
        ("salt=ff", "salt=f", "salt is not at most 256 bytes in hexadecimal"),
        ("data_blocks=256", "data_blocks=x", "data_blocks is no number"),
        (",data_blocks=256", "", "data_blocks is missing"),
        (
            "data_block_size=4096",
            "data_block_size=1000",
            "1000 is no size of a block: 512 to 4096 bytes",
        ),
        ("salt=", "pepper=", "pepper is not known"),
        ("salt=ff00", "salt=ff00,salt=ff00", "salt is there twice"),
        ("salt=ff00", "salt", "\"salt\" has no value"),
    ] {
        let reason = format!("kata.extension.gpu.verity_params: {problem}");
        refused(&[("vdb", "extension-gpu", 2)], &good.replace(change, to), &reason);
    }
}

#[test]
fn what_the_kernel_refuses_is_told_with_what_to_look_at() {
    let disks = [("vdb", "extension-gpu", 2)];
    let os = Recorder::new().failing("verity", nix::libc::EINVAL);
    let error = mount(&os, &disks, &params("gpu")).unwrap_err();
    assert!(error.contains("gpu can't be checked") && error.contains("DM_VERITY"), "{error}");
    let os = Recorder::new().failing("mount", nix::libc::EIO);
    let error = mount(&os, &disks, &params("gpu")).unwrap_err();
    assert!(error.contains("can't be mounted from /dev/dm-0; is it what was measured"), "{error}");
}
