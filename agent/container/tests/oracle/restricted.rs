//! What a container may not write or not see.

use std::fs;

use serde_json::json;

use crate::case::Case;

#[test]
fn masked_paths_are_empty() {
    let script = "for f in /proc/timer_list /proc/keys /etc/secret; do wc -c < $f; done; \
        ls -A /etc/dir /sys/firmware; echo x > /etc/dir/y; echo x > /etc/secret; echo $?";
    Case::sh(script)
        .writable()
        .with(|rootfs| {
            fs::create_dir(rootfs.join("etc/dir")).unwrap();
            fs::write(rootfs.join("etc/dir/inner"), "secret").unwrap();
            fs::write(rootfs.join("etc/secret"), "secret").unwrap();
        })
        .set("/linux/maskedPaths/-", json!("/etc/secret"))
        .set("/linux/maskedPaths/-", json!("/etc/dir"))
        .set("/linux/maskedPaths/-", json!("/not/there"))
        .shows(&["0\n0\n0\n/etc/dir:\n\n/sys/firmware:\n", "Read-only file system"]);
}

#[test]
fn read_only_paths_stay_readable() {
    let script = "cat /etc/file; echo x > /etc/file; echo x > /etc/other; cat /etc/other; \
        echo 1 > /proc/sys/kernel/shmmax; touch /dev/x /dev/shm/x; ls /dev/shm";
    Case::sh(script)
        .writable()
        .with(|rootfs| fs::write(rootfs.join("etc/file"), "text\n").unwrap())
        .set("/linux/readonlyPaths/-", json!("/etc/file"))
        .set("/linux/readonlyPaths/-", json!("/dev"))
        .set("/linux/readonlyPaths/-", json!("/not/there"))
        .shows(&[
            "text\n",
            "/etc/file: Read-only",
            "x\n",
            "shmmax: Read-only",
            "/dev/x: Read-only",
        ]);
}

#[test]
fn without_lists_nothing_is() {
    let script = "wc -c < /proc/keys > /dev/null && echo seen; \
        echo 4097 > /proc/sys/kernel/shmmni && cat /proc/sys/kernel/shmmni";
    let case = Case::sh(script).remove("/linux/maskedPaths").remove("/linux/readonlyPaths");
    case.shows(&["seen\n4097\n"]);
}

#[test]
fn the_root_filesystem() {
    let script = "echo x > /new; echo $?; mkdir /bin/x; echo $?; echo y > /dev/shm/z && echo z";
    Case::sh(script).shows(&["/new: Read-only file system\n1\n", "Read-only file system\n1\nz\n"]);
    Case::sh(script).writable().shows(&["0\n0\nz\n"]);
}

#[test]
fn sys_is_read_only() {
    let case = Case::sh("echo x > /sys/power/state; mkdir /sys/x; ls -d /sys/class");
    case.capable(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]).shows(&["/sys/class\n", "Read-only"]);
}

#[test]
fn links_lead_within_the_root() {
    let script = "cat /etc/link; stat -c %F /host-proc";
    Case::sh(script)
        .writable()
        .with(|rootfs| {
            fs::write(rootfs.join("etc/target"), "seen\n").unwrap();
            std::os::unix::fs::symlink("/etc/target", rootfs.join("etc/link")).unwrap();
            std::os::unix::fs::symlink("/proc/1", rootfs.join("host-proc")).unwrap();
        })
        .set("/linux/maskedPaths/-", json!("/etc/link"))
        .shows(&["symbolic link\n"]);
}

#[test]
fn a_path_below_a_file_fails_both() {
    for list in ["maskedPaths", "readonlyPaths"] {
        let case = Case::sh("echo ran");
        case.set(&format!("/linux/{list}/-"), json!("/etc/passwd/below"))
            .is_refused("not a directory", "Not a directory");
    }
}
