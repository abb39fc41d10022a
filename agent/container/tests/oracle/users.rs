//! Who the program runs as, and user namespaces.

use std::fs;

use serde_json::{Value, json};

use crate::bundle::give;
use crate::case::Case;
use crate::runtimes::Which;

const IDS: &str = "grep -E '^(Uid|Gid|Groups):' /proc/self/status; id; echo $HOME";

#[test]
fn root_and_others() {
    Case::sh(IDS).shows(&["Uid:\t0\t0\t0\t0\n", "uid=0(root) gid=0(root)", "/root\n"]);
    Case::sh(IDS)
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["Uid:\t33\t33\t33\t33\nGid:\t34\t34\t34\t34\n", "/home/web\n"]);
    Case::sh(IDS).set("/process/user", json!({"uid": 12345, "gid": 54321})).shows(&[
        "Uid:\t12345\t12345",
        "uid=12345 gid=54321",
        "\n/\n",
    ]);
}

#[test]
fn further_groups() {
    Case::sh(IDS)
        .set("/process/user", json!({"uid": 33, "gid": 34, "additionalGids": [29, 1000, 5]}))
        .shows(&["Groups:\t5 29 1000", "29(audio)"]);
    Case::sh(IDS)
        .set("/process/user", json!({"uid": 0, "gid": 0, "additionalGids": [0, 7]}))
        .shows(&["Groups:\t0 7"]);
}

#[test]
fn without_files_of_users_numbers_do() {
    Case::sh(IDS)
        .with(|rootfs| {
            fs::remove_file(rootfs.join("etc/passwd")).unwrap();
            fs::remove_file(rootfs.join("etc/group")).unwrap();
        })
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["Uid:\t33\t33", "\n/\n"]);
}

#[test]
fn files_of_users_may_make_no_sense() {
    for passwd in [
        "web",
        "::::::\nweb:x:x:x:x:/wrong:\n:x:33:34::/nameless:\n",
        "# comment\n\nweb:x:33:34:web:/first:/bin/sh\nweb2:x:33:34:web:/second:/bin/sh\n",
        "  web:x:33:34:web:/spaces:/bin/sh  \n",
        "web:x:33:34:a:/first\nweb:x:33\n",
        "web:x:33:34:a:b:c:d:e\n",
        "web:x:-1:34:web:/negative:\nweb:x:99999999999:34:web:/large:\n",
    ] {
        Case::sh("echo home $HOME; grep Uid /proc/self/status")
            .with(move |rootfs| fs::write(rootfs.join("etc/passwd"), passwd).unwrap())
            .set("/process/user", json!({"uid": 33, "gid": 34}))
            .shows(&["home", "Uid:\t33"]);
    }
}

#[test]
fn an_empty_home_is_none() {
    // runc leaves HOME empty, with which programs fare worse than with the root.
    let case = Case::sh("echo \"<$HOME>\"")
        .with(|rootfs| fs::write(rootfs.join("etc/passwd"), "web:x:33:34:web::/bin/sh\n").unwrap())
        .set("/process/user", json!({"uid": 33, "gid": 34}));
    assert_eq!(case.run(Which::Runc).output, "<>\n");
    assert_eq!(case.run(Which::Ours).output, "</>\n");
}

#[test]
fn a_name_is_not_looked_up() {
    // runc leaves the name to its caller. Ours looks it up only when it is there, since
    // Kata's host can't see the image's files: covered by the unit tests.
    let case = Case::sh(IDS).set("/process/user", json!({"uid": 33, "gid": 34, "username": "web"}));
    case.normal(|text| text.replace("Groups:\t29 ", "Groups:\t ").replace(" groups=29(audio)", ""))
        .shows(&["Uid:\t33\t33"]);
}

#[test]
fn the_program_owns_its_streams() {
    // The input is the null device of ours, and a pipe of runc's.
    Case::sh("for f in 1 2; do stat -L -c '%u %F' /proc/self/fd/$f; done; echo x > /dev/stderr")
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["33 fifo\n33 fifo\nx\n"]);
}

fn maps(lines: &[(u32, u32, u32)]) -> Value {
    lines
        .iter()
        .map(|(inside, outside, size)| json!({"containerID": inside, "hostID": outside, "size": size}))
        .collect()
}

/// A container in a user namespace, whose files belong to the mapped users.
fn mapped(script: &str) -> Case {
    Case::sh(script)
        .with(|rootfs| give(rootfs, 100_000))
        .set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", maps(&[(0, 100_000, 65536)]))
        .set("/linux/gidMappings", maps(&[(0, 100_000, 65536)]))
}

#[test]
fn a_user_namespace() {
    let script = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id; \
        stat -c '%n %u %g' / /bin/busybox /proc/self /dev/null /dev/pts /dev/shm /sys; \
        grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status";
    mapped(script).shows(&[
        "         0     100000      65536\n         0     100000      65536\nallow\n",
        "uid=0(root) gid=0(root)",
        "/bin/busybox 0 0",
    ]);
}

#[test]
fn a_user_namespace_and_its_mounts() {
    let case = mapped("cat /proc/self/mountinfo");
    let bundle = case.folder().to_str().unwrap().to_owned();
    case.normal(move |text| crate::mountinfo::normal(text, &bundle)).shows(&[
        " / /proc rw,relatime - proc",
        " /null /dev/null rw,",
        " / /dev/pts rw,nosuid,noexec,relatime - devpts",
    ]);
}

#[test]
fn a_user_namespace_and_its_devices() {
    mapped("cd /dev; for f in $(ls -A); do stat -c '%n %F %a %t:%T' $f; done; echo x > null; head -c2 zero | wc -c")
        .shows(&["null character special file 666 1:3", "2\n"]);
}

#[test]
fn another_user_in_a_user_namespace() {
    mapped(IDS)
        .set("/process/user", json!({"uid": 33, "gid": 34, "additionalGids": [29]}))
        .shows(&["Uid:\t33\t33\t33\t33\n", "Groups:\t29", "/home/web\n"]);
}

#[test]
fn maps_of_several_lines() {
    mapped("cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/x; stat -c '%u %g' /tmp/x")
        .writable()
        .set("/linux/uidMappings", maps(&[(0, 100_000, 1), (1, 200_000, 99)]))
        .set("/linux/gidMappings", maps(&[(0, 100_000, 10), (10, 300_000, 990)]))
        .set("/process/user", json!({"uid": 50, "gid": 500}))
        .shows(&[
            "         1     200000         99\n",
            "        10     300000        990\n",
            "50 500\n",
        ]);
}

#[test]
fn what_is_mapped_outside_is_right_outside() {
    let case = mapped("echo x > /tmp/x; chown 33:34 /tmp/x; stat -c '%u %g' /tmp/x")
        .writable()
        .capable(&["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
    case.shows(&["33 34\n"]);
    let made = fs::metadata(case.folder().join("rootfs/tmp/x")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((made.uid(), made.gid()), (100_033, 100_034));
}

#[test]
fn binds_in_a_user_namespace_keep_what_is_locked() {
    let case = mapped("grep ' /work ' /proc/self/mountinfo | cut -d' ' -f6; cat /work/file");
    fs::create_dir(case.folder().join("source")).unwrap();
    fs::write(case.folder().join("source/file"), "seen\n").unwrap();
    case.mount("/work", "bind", "source", &["bind", "ro", "nosuid"])
        .shows(&["ro,nosuid", "seen\n"]);
}

#[test]
fn maps_that_can_not_be_fail_both() {
    let bad = |uids: Value, gids: Value| {
        Case::sh("echo ran")
            .set("/linux/namespaces/-", json!({"type": "user"}))
            .set("/linux/uidMappings", uids)
            .set("/linux/gidMappings", gids)
    };
    let good = maps(&[(0, 100_000, 65536)]);
    // This runc makes a namespace in which nobody is mapped, and newer ones refuse it.
    bad(json!([]), json!([])).is_refused_by_us("needs mappings");
    bad(maps(&[(0, 100_000, 0)]), good.clone()).is_refused("level=error", "empty range");

    // It also goes on without a 0, and what it makes then belongs to nobody.
    bad(maps(&[(1, 100_000, 10)]), good.clone()).is_refused_by_us("gives the container no 0");
    bad(maps(&[(0, 100_000, 10), (5, 200_000, 10)]), good).is_refused("level=error", "uid_map");
    // And it ignores maps without a namespace.
    let case = Case::sh("echo ran").set("/linux/uidMappings", maps(&[(0, 0, 1)]));
    case.is_refused_by_us("need a user namespace");
}
