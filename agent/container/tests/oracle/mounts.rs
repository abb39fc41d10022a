//! Mounts: which there are, where, with which attributes, and what is in them.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bundle::chmod;
use crate::case::Case;
use crate::mountinfo;
use crate::runtimes::Which;

const INFO: &str = "cat /proc/self/mountinfo";

/// A container whose mounts are compared.
fn mounts() -> Case {
    let case = Case::sh(INFO);
    let bundle = case.path("");
    let bundle = bundle.trim_end_matches('/').to_owned();
    case.normal(move |text| mountinfo::normal(text, &bundle))
}

/// The same, with a source folder that holds a file and, mounted in it, a tmpfs.
fn with_source() -> Case {
    let case = mounts();
    fs::create_dir_all(case.folder().join("source/inner")).unwrap();
    fs::write(case.folder().join("source/file"), "from the source\n").unwrap();
    case
}

#[test]
fn the_default_ones() {
    mounts().shows(&[
        "fs0 BUNDLE/rootfs / ro,",
        " /proc rw,relatime - proc proc rw\n",
        " /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
        " /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666",
        " /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw",
        " /proc/sys ro,",
        " /proc/keys rw,nosuid - tmpfs",
    ]);
}

#[test]
fn of_cgroups_is_not_writable() {
    let script = "f=$(find /sys/fs/cgroup -name cgroup.procs | head -n1); test -f $f && \
        echo 1 > $f; mkdir ${f%/*}/new && echo made";
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    // runc shows the host's old hierarchies, and we the unified one.
    Case::sh(script)
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &options)
        .capable(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"])
        .normal(|text| text.matches("Read-only file system").count().to_string())
        .shows(&["2"]);
}

#[test]
fn binds_with_attributes() {
    for options in [
        &["bind"][..],
        &["rbind"],
        &["bind", "ro"],
        &["rbind", "ro", "nosuid", "nodev", "noexec"],
        &["bind", "noatime"],
        &["bind", "strictatime"],
        &["bind", "relatime", "nodiratime"],
        &["bind", "rw", "suid", "dev", "exec"],
        &["bind", "ro", "rw"],
        &["rbind", "rprivate"],
        &["bind", "nosuid", "private"],
    ] {
        let case = with_source();
        let source = case.path("source");
        case.mount("/work", "bind", &source, options).shows(&[" BUNDLE/source /work r"]);
    }
}

#[test]
fn a_bind_without_its_option_is_one_by_its_type() {
    let case = Case::sh("grep -c ' /work ' /proc/self/mountinfo; cat /work/file");
    let source = case.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(case.folder().join("source/file"), "there\n").unwrap();
    case.mount("/work", "bind", &source, &["ro", "bind"]).shows(&["1\nthere\n"]);
}

#[test]
fn relative_sources_are_the_bundles() {
    with_source().mount("/work", "bind", "source", &["bind"]).shows(&["BUNDLE/source /work"]);
}

#[test]
fn recursive_attributes() {
    for options in [
        &["rbind", "rro"][..],
        &["rbind", "rnosuid", "rnodev", "rnoexec"],
        &["rbind", "rro", "rw"],
        &["rbind", "rnoatime"],
    ] {
        // The host's /dev has mounts below it.
        mounts().mount("/work", "bind", "/dev", options).shows(&[" /work r", " /work/pts r"]);
    }
}

#[test]
fn the_attributes_are_not_only_shown() {
    let script = "echo x > /work/new; echo $?; /work/run; echo $?; cat /work/null; echo $?";
    let case = Case::sh(script).with(|rootfs| {
        let source = rootfs.parent().unwrap().join("source");
        let _ = fs::remove_dir_all(&source);
        fs::create_dir(&source).unwrap();
        fs::copy(rootfs.join("bin/busybox"), source.join("run")).unwrap();
        let null = source.join("null");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
        let kind = nix::sys::stat::SFlag::S_IFCHR;
        nix::sys::stat::mknod(&null, kind, mode, libc::makedev(1, 3)).unwrap();
    });
    case.mount("/work", "bind", "source", &["bind", "ro", "noexec", "nodev"]).shows(&[
        "Read-only file system",
        "/work/run: Permission denied",
        "can't open '/work/null': Permission denied",
    ]);
}

#[test]
fn of_files() {
    let case = Case::sh("cat /etc/hosts /new/deep/file; ls -l /new/deep | tail -n +2 | wc -l");
    fs::write(case.folder().join("hosts"), "127.0.0.1 me\n").unwrap();
    case.mount("/etc/hosts", "bind", "hosts", &["bind", "ro"])
        .mount("/new/deep/file", "bind", "hosts", &["bind"])
        .shows(&["127.0.0.1 me\n127.0.0.1 me\n1\n"]);
}

#[test]
fn of_temporary_files() {
    for options in [
        &["mode=1777"][..],
        &["size=64k", "mode=0700"],
        &["mode=755,size=65536k,uid=33,gid=34"],
        &["ro", "nosuid", "size=1m", "mode=755"],
        &["nr_inodes=100", "noexec", "mode=755"],
    ] {
        let case = mounts();
        case.mount("/work", "tmpfs", "tmpfs", options).shows(&[" /work r"]);
    }
}

#[test]
fn a_tmpfs_has_the_mode_of_what_it_covers() {
    let case = Case::sh("stat -c '%a %u %g' /work /new");
    case.with(|rootfs| chmod(&rootfs.join("work"), 0o1750))
        .mount("/work", "tmpfs", "tmpfs", &[])
        .mount("/new", "tmpfs", "tmpfs", &[])
        .shows(&["1750 0 0\n"]);
}

#[test]
fn a_tmpfs_starts_with_what_it_covers() {
    let script = "cd /work; find . | sort | xargs stat -c '%n %F %a %u %g %s'; cat a/file; \
        readlink a/link; touch a/new && echo writable; grep -c ' /work ' /proc/self/mountinfo";
    let case = Case::sh(script).with(|rootfs| {
        let folder = rootfs.join("work/a");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "copied\n").unwrap();
        std::os::unix::fs::chown(folder.join("file"), Some(33), Some(34)).unwrap();
        chmod(&folder.join("file"), 0o640);
        // runc loses the special bits of folders; we keep them.
        chmod(&folder, 0o750);
        chmod(&rootfs.join("work"), 0o1777);
        symlink("/nowhere", folder.join("link")).unwrap();
    });
    let case = case.capable(&["CAP_DAC_OVERRIDE"]);
    // A folder's size is the filesystem's affair.
    case.normal(|text| {
        let line = |line: &str| match line.rsplit_once(' ') {
            Some((rest, _)) if line.contains(" directory ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    })
    .mount("/work", "tmpfs", "tmpfs", &["tmpcopyup", "size=1m"])
    .shows(&["./a/file regular file 640 33 34 7", "copied\n/nowhere\nwritable\n1\n"]);
}

#[test]
fn relative_destinations_start_at_the_root() {
    mounts()
        .mount("work/deep", "tmpfs", "tmpfs", &["size=64k", "mode=755"])
        .shows(&[" / /work/deep rw"]);
}

#[test]
fn destinations_with_dots_are_cleaned() {
    mounts()
        .mount("/tmp/../work/./x", "tmpfs", "tmpfs", &["size=64k", "mode=755"])
        .mount("/../../../home", "tmpfs", "tmpfs", &["size=64k", "mode=755"])
        .shows(&[" / /work/x rw", " / /home rw"]);
}

#[test]
fn over_links() {
    mounts()
        .with(|rootfs| {
            symlink("/work", rootfs.join("absolute")).unwrap();
            symlink("../../home", rootfs.join("work/relative")).unwrap();
            symlink("../../../../../etc/made", rootfs.join("dangling")).unwrap();
        })
        .mount("/absolute/a", "tmpfs", "tmpfs", &["size=64k", "mode=755"])
        .mount("/work/relative", "tmpfs", "tmpfs", &["size=68k", "mode=755"])
        .mount("/dangling", "tmpfs", "tmpfs", &["size=72k", "mode=755"])
        .shows(&[" / /work/a rw", " / /home rw", " / /etc/made rw"]);
}

#[test]
fn one_in_another() {
    mounts()
        .mount("/work", "tmpfs", "tmpfs", &["size=64k", "mode=755"])
        .mount("/work/a", "tmpfs", "tmpfs", &["size=68k", "mode=755"])
        .mount("/work/a/b", "bind", "/etc/hostname", &["bind", "ro"])
        .mount("/work", "tmpfs", "tmpfs", &["size=72k", "mode=755"])
        .shows(&["/work/a fs", "/work fs", "size=72k"]);
}

#[test]
fn dev_may_be_read_only() {
    let case =
        Case::sh("touch /dev/x; ls /dev; grep ' /dev ' /proc/self/mountinfo | cut -d' ' -f6");
    case.set("/mounts/1/options", json!(["nosuid", "ro", "mode=755", "size=65536k"])).shows(&[
        "/dev/x: Read-only file system",
        "null",
        "ro,nosuid",
    ]);
}

#[test]
fn dev_may_be_a_bind() {
    let case = Case::sh("ls /dev; stat -c '%F %t:%T' /dev/null");
    fs::create_dir(case.folder().join("devices")).unwrap();
    let null = case.folder().join("devices/null");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    let kind = nix::sys::stat::SFlag::S_IFCHR;
    nix::sys::stat::mknod(&null, kind, mode, libc::makedev(1, 3)).unwrap();
    let case = case.set(
        "/mounts/1",
        json!({"destination": "/dev", "type": "bind", "source": "devices", "options": ["bind"]}),
    );
    let case = case.remove("/mounts/4").remove("/mounts/3").remove("/mounts/2");
    case.shows(&["null\ncharacter special file 1:3\n"]);
}

#[test]
fn the_source_of_a_filesystem_is_shown() {
    mounts()
        .mount("/work", "tmpfs", "my-name", &["size=64k", "mode=755"])
        .shows(&["- tmpfs my-name rw"]);
}

#[test]
fn shm_can_be_written_by_all() {
    let case = Case::sh("echo x > /dev/shm/a && stat -c '%a %u' /dev/shm /dev/shm/a");
    case.set("/process/user", json!({"uid": 1000, "gid": 1000})).shows(&["1777 0\n644 1000\n"]);
}

#[test]
fn queues_are_the_containers_own() {
    let case =
        Case::sh("touch /dev/mqueue/q && ls /dev/mqueue; cat /proc/sys/fs/mqueue/queues_max");
    case.shows(&["q\n256\n"]);
}

#[test]
fn terminals_are_the_containers_own() {
    Case::sh("ls -A /dev/pts; stat -c '%a %g %t' /dev/pts/ptmx /dev/pts").shows(&["ptmx\n666 0 5"]);
}

#[test]
fn what_can_not_be_mounted_fails_both() {
    let bad = |destination: &str, kind: &str, source: &str, options: &[&str]| {
        Case::sh("echo ran").mount(destination, kind, source, options)
    };
    bad("/work", "bind", "/nowhere/x", &["bind"]).is_refused("no such file", "No such file");
    bad("/work", "nofs", "nofs", &[]).is_refused("no such device", "No such device");
    bad("/work", "tmpfs", "tmpfs", &["nonsense=1"]).is_refused("invalid arg", "nonsense");
    bad("/proc", "bind", "/tmp", &["bind"]).is_refused("not of type proc", "only proc can be");
    // This runc looks at binds only; newer ones look at all kinds.
    bad("/proc/fs", "mqueue", "mqueue", &[]).is_refused_by_us("within /proc");
    bad("/proc/fs", "tmpfs", "tmpfs", &[]).is_refused_by_us("within /proc");
    bad("/proc", "mqueue", "mqueue", &[]).is_refused_by_us("within /proc");
    bad("/proc", "tmpfs", "tmpfs", &[]).is_refused_by_us("within /proc");
    bad("/proc/sys", "bind", "/tmp", &["bind"]).is_refused("inside /proc", "within /proc");
    bad("/etc/passwd/x", "tmpfs", "tmpfs", &[]).is_refused("not a directory", "Not a directory");
}

#[test]
fn what_may_be_mounted_over_proc() {
    let case = Case::sh("cat /proc/uptime");
    fs::write(case.folder().join("uptime"), "1.00 2.00\n").unwrap();
    case.mount("/proc/uptime", "bind", "uptime", &["bind"]).shows(&["1.00 2.00\n"]);
}

#[test]
fn a_mode_that_is_asked_for_outranks_the_covered_folders() {
    // This runc gives the mount the folder's mode all the same, which newer ones mended.
    let case = Case::sh("stat -c '%a' /work").mount("/work", "tmpfs", "tmpfs", &["mode=1700"]);
    assert_eq!(case.run(Which::Runc).output, "755\n");
    assert_eq!(case.run(Which::Ours).output, "1700\n");
}

#[test]
fn a_link_to_proc_is_no_way_around() {
    let case = |kind: &str, options: &[&str]| {
        Case::sh("echo ran")
            .with(|rootfs| symlink("/proc", rootfs.join("innocent")).unwrap())
            .mount("/innocent/fs", kind, "/tmp", options)
    };
    case("bind", &["bind"]).is_refused("inside /proc", "within /proc");
    case("tmpfs", &[]).is_refused_by_us("within /proc");
}
