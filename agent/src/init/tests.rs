//! What process 1 does to a bare machine, and how it leaves one, as lists.

use expect_test::expect;

use super::*;
use crate::os::Recorder;

/// What could be lived with, where everything vital is there.
fn problems_of(os: &Recorder) -> Vec<String> {
    let mut problems = Vec::new();
    set_up(os, &mut problems).unwrap();
    problems
}

#[test]
fn a_bare_machine() {
    let os = Recorder::new().with_file("/proc/self/mounts", "rootfs / rootfs rw 0 0\n");
    assert!(problems_of(&os).is_empty());
    expect![[r"
        mkdir /proc 755
        mount proc /proc proc nosuid,nodev,noexec
        mkdir /sys 755
        mount sysfs /sys sysfs nosuid,nodev,noexec
        mkdir /dev 755
        mount dev /dev devtmpfs nosuid,noexec,mode=0755
        mkdir /dev/pts 755
        mount devpts /dev/pts devpts nosuid,noexec,gid=5,mode=0620,ptmxmode=0666
        mkdir /dev/shm 755
        mount shm /dev/shm tmpfs nosuid,nodev,noexec,mode=1777
        mkdir /dev/mqueue 755
        mount mqueue /dev/mqueue mqueue nosuid,nodev,noexec
        mkdir /run 755
        mount run /run tmpfs nosuid,nodev,mode=0755
        mkdir /tmp 755
        mount tmp /tmp tmpfs nosuid,nodev,mode=1777
        mkdir /sys/fs/cgroup 755
        mount cgroup2 /sys/fs/cgroup cgroup2 nosuid,nodev,noexec,relatime,nsdelegate
        link /dev/ptmx -> /dev/pts/ptmx
        link /dev/fd -> /proc/self/fd
        link /dev/stdin -> /proc/self/fd/0
        link /dev/stdout -> /proc/self/fd/1
        link /dev/stderr -> /proc/self/fd/2
        terminal /dev/console
        env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        env HOME=/root
        hostname localhost
        up lo
    "]]
    .assert_eq(&os.log());
}

#[test]
fn what_is_mounted_stays_as_it_is() {
    let os = Recorder::new()
        .with_file("/proc/self/mounts", "devtmpfs /dev devtmpfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n")
        .with_file("/etc/hostname", "guest\n")
        .failing("mount proc", nix::libc::EBUSY);
    assert!(problems_of(&os).is_empty());
    let log = os.log();
    assert!(!log.contains(" /dev devtmpfs") && !log.contains(" /run tmpfs"), "{log}");
    assert!(log.contains("mount devpts /dev/pts") && log.contains("hostname guest"), "{log}");
}

#[test]
fn missing_features_are_problems() {
    let os = Recorder::new()
        .failing("mount mqueue", nix::libc::ENODEV)
        .failing("terminal", nix::libc::ENOTTY)
        .failing("up lo", nix::libc::ENODEV);
    let problems = problems_of(&os);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("no mqueue on /dev/mqueue: "));
}

#[test]
fn only_what_is_vital_ends_it_and_everything_else_is_still_tried() {
    let whole = Recorder::new();
    assert!(problems_of(&whole).is_empty());
    for early in &MOUNTS {
        let os = Recorder::new()
            .failing(&format!("mount {} {} ", early.source, early.target), nix::libc::ENODEV);
        let mut problems = Vec::new();
        let outcome = set_up(&os, &mut problems);
        if ["/proc", "/run"].contains(&early.target) {
            let error = outcome.unwrap_err().to_string();
            let begin = format!("can't mount {} on {}; ", early.fstype, early.target);
            assert!(error.starts_with(&begin), "{error}");
            assert!(problems.is_empty(), "{problems:?}");
        } else {
            outcome.unwrap();
            assert_eq!(problems.len(), 1, "{problems:?}");
            let begin = format!("no {} on {}: ", early.fstype, early.target);
            assert!(problems[0].starts_with(&begin), "{problems:?}");
        }
        // Console and devices among it: somebody is to read the report.
        assert_eq!(os.log(), whole.log(), "without {}", early.target);
    }
}

#[test]
fn the_first_of_two_ends_it_and_the_second_is_told() {
    let os = Recorder::new()
        .failing("mount proc", nix::libc::ENODEV)
        .failing("mount run", nix::libc::EPERM);
    let mut problems = Vec::new();
    let error = set_up(&os, &mut problems).unwrap_err().to_string();
    assert!(error.starts_with("can't mount proc on /proc; "), "{error}");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("no tmpfs on /run: "), "{problems:?}");
}

#[test]
fn old_kernels_get_a_cgroup_mount_they_know() {
    let os = Recorder::new()
        .failing("mount cgroup2 /sys/fs/cgroup cgroup2 nosuid,nodev,noexec,relatime,ns", 22);
    assert!(problems_of(&os).is_empty());
    assert!(os.log().contains("cgroup2 nosuid,nodev,noexec,relatime\n"));
}

#[test]
fn leaving_a_machine_with_disks() {
    let mounts = "\
        1 0 259:1 / / rw,relatime - ext4 /dev/vda1 rw\n\
        2 1 0:4 / /proc rw - proc proc rw\n\
        3 1 0:5 / /data rw - ext4 /dev/vdb rw\n\
        4 1 0:6 / /busy rw - xfs /dev/vdc rw\n\
        5 1 0:7 / /media ro - iso9660 /dev/sr0 ro\n";
    let os = Recorder::new()
        .with_file("/proc/self/mountinfo", mounts)
        .failing("unmount /busy", nix::libc::EBUSY)
        .failing("unmount /media", nix::libc::EBUSY);
    leave(&os).unwrap();
    expect![[r"
        sync
        kill all
        unmount /media
        unmount /busy
        mount /dev/vdc /busy - remount,ro
        unmount /data
        mount /dev/vda1 / - remount,ro
        sync
        power off
    "]]
    .assert_eq(&os.log());
}

#[test]
fn leaving_a_namespace_touches_nothing_of_the_machine() {
    let os = Recorder::new()
        .in_namespace()
        .with_file("/proc/self/mountinfo", "1 0 259:1 / / rw - ext4 /dev/vda1 rw\n");
    leave(&os).unwrap();
    assert_eq!(os.log(), "sync\npower off\n");
}
