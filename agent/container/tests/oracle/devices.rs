//! The container's /dev.

use std::fs;

use serde_json::json;

use crate::case::Case;

/// All of /dev: kinds, numbers, modes, owners and where links lead.
const LIST: &str = "cd /dev; for f in $(ls -A); do stat -c '%n %F %a %u %g %t:%T' $f; \
    readlink $f; done";

#[test]
fn the_default_ones_and_links() {
    Case::sh(LIST).shows(&[
        "null character special file 666 0 0 1:3",
        "tty character special file 666 0 0 5:0",
        "fd symbolic link",
        "/proc/self/fd/1",
        "ptmx symbolic link",
        "pts/ptmx",
    ]);
}

#[test]
fn further_ones() {
    Case::sh(LIST)
        .set(
            "/linux/devices",
            json!([
                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640,
                    "uid": 33, "gid": 34},
                {"path": "/dev/disk", "type": "b", "major": 7, "minor": 1},
                {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
                {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 7, "fileMode": 0o777}
            ]),
        )
        .shows(&[
            "fuse character special file 640 33 34 a:e5",
            "disk block special file",
            "pipe fifo 622 0 0",
            "unbuffered character special file 777",
        ]);
}

#[test]
fn a_default_one_can_be_another() {
    let device = json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 3,
        "fileMode": 0o600, "uid": 33, "gid": 34}]);
    // With a list of its own, the cgroup's rules are the spec's affair as well.
    let resources = json!({"devices": [{"allow": true, "access": "rwm"}]});
    Case::sh(LIST)
        .set("/linux/devices", device)
        .set("/linux/resources", resources)
        .shows(&["null character special file 600 33 34"]);
}

#[test]
fn in_folders_and_elsewhere() {
    let device = |path: &str| json!({"path": path, "type": "c", "major": 1, "minor": 5});
    Case::sh(
        "stat -c '%n %F %a %t:%T' /dev/net/tun /dev/a/b/c /tmp/zero; ls -ld /dev/net | cut -c1-10",
    )
    .set(
        "/linux/devices",
        json!([device("/dev/net/tun"), device("/dev/a/b/c"), device("/tmp/zero")]),
    )
    .shows(&["/dev/net/tun character", "/dev/a/b/c character", "/tmp/zero character", "drwxr"]);
}

#[test]
fn they_work() {
    let script = "head -c3 /dev/zero | od -An -c; echo x > /dev/full; echo y > /dev/null && echo ok; \
        head -c8 /dev/urandom | wc -c; echo to-error > /dev/stderr; echo in | cat /dev/stdin";
    Case::sh(script).shows(&["No space left on device", "ok\n8\nto-error\nin\n"]);
}

#[test]
fn those_of_the_image_are_not_ours() {
    // /dev of the image is covered; a node that the image has elsewhere stays.
    Case::sh("ls /dev/old; stat -c '%F %a' /etc/null")
        .with(|rootfs| {
            fs::write(rootfs.join("dev/old"), "").unwrap();
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o604);
            let kind = nix::sys::stat::SFlag::S_IFCHR;
            let null = rootfs.join("etc/null");
            nix::sys::stat::mknod(&null, kind, mode, libc::makedev(1, 3)).unwrap();
        })
        .shows(&["/dev/old: No such file", "character special file 604"]);
}

#[test]
fn without_a_mount_on_dev_the_images_is_filled() {
    let case = Case::sh(LIST).writable().with(|rootfs| {
        fs::write(rootfs.join("dev/old"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", rootfs.join("dev/fd")).unwrap();
    });
    // Then those in it have no place either.
    let case = case.remove("/mounts/4").remove("/mounts/3").remove("/mounts/2").remove("/mounts/1");
    case.shows(&["old regular empty file", "null character special file", "/nowhere"]);
}
