//! Bundles that mean harm. runc need not be asked: what counts is that nothing outside
//! the root filesystem is touched, and that nothing is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::case::Case;
use crate::runtimes::{Which, output};

/// A folder beside the root filesystem, which stands for the host.
fn outside(case: &Case) -> PathBuf {
    let folder = case.folder().join("outside");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "untouched").unwrap();
    folder
}

fn is_untouched(folder: &Path) {
    let names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "untouched");
}

fn runs(case: &Case, expected: &str) {
    let seen = case.run(Which::Ours);
    assert!(seen.code == 0 && seen.output.contains(expected), "{seen:?}");
}

#[test]
fn links_out_of_the_root_lead_back_into_it() {
    let case =
        Case::sh("find / -xdev -name mounted; ls /outside-link/ /up/ 2>&1; echo done").writable();
    let host = outside(&case);
    let target = host.clone();
    let case = case
        .with(move |rootfs| {
            symlink(&target, rootfs.join("outside-link")).unwrap();
            symlink("../../../../../../../..", rootfs.join("up")).unwrap();
            symlink("/proc/self/root", rootfs.join("magic")).unwrap();
        })
        .mount("/outside-link/mounted", "tmpfs", "tmpfs", &["size=64k"])
        .mount("/up/tmp/mounted", "tmpfs", "tmpfs", &["size=64k"]);
    runs(&case, "done");
    is_untouched(&host);
    assert!(!Path::new("/tmp/mounted").exists());
    // The links were followed, within the root.
    assert!(case.folder().join("rootfs/tmp/mounted").is_dir());
    let inner = host.strip_prefix("/").unwrap().join("mounted");
    assert!(case.folder().join("rootfs").join(inner).is_dir());
}

#[test]
fn links_of_the_kernel_are_not_followed() {
    for link in ["/proc/self/root", "/proc/1/root", "/proc/self/cwd"] {
        let case = Case::sh("echo ran");
        let link = link.to_owned();
        case.mount(&format!("{link}/mounted"), "tmpfs", "tmpfs", &[])
            .is_refused_by_us("can't mount tmpfs");
    }
    let case = Case::sh("echo ran")
        .with(|rootfs| symlink("/proc/self/fd/3", rootfs.join("magic")).unwrap())
        .mount("/magic/x", "tmpfs", "tmpfs", &[]);
    case.is_refused_by_us("can't mount tmpfs");
}

#[test]
fn dev_may_be_a_link() {
    // With /dev a link to the host's, nodes must be made in the root filesystem.
    let case = Case::sh("ls /dev/; echo done").writable();
    let host = outside(&case);
    let target = host.clone();
    let case = case
        .with(move |rootfs| {
            fs::remove_dir(rootfs.join("dev")).unwrap();
            symlink(&target, rootfs.join("dev")).unwrap();
        })
        .set("/linux/devices", json!([{"path": "/dev/made", "type": "c", "major": 1, "minor": 3}]));
    runs(&case, "done");
    is_untouched(&host);
    // And without any mount there.
    let case = case.remove("/mounts/4").remove("/mounts/3").remove("/mounts/2").remove("/mounts/1");
    runs(&case, "made");
    is_untouched(&host);
}

#[test]
fn etc_may_be_a_link() {
    // The host's users are none of the container's.
    let case = Case::sh("echo $HOME; ls /etc/").writable();
    let host = outside(&case);
    fs::write(host.join("passwd"), "root:x:0:0::/from-outside:\n").unwrap();
    let case = case.with(move |rootfs| {
        fs::remove_dir_all(rootfs.join("etc")).unwrap();
        symlink(&host, rootfs.join("etc")).unwrap();
    });
    let seen = case.run(Which::Ours);
    assert!(seen.output.starts_with("/\n"), "{seen:?}");
}

#[test]
fn proc_may_be_a_link() {
    for target in ["/tmp", "/etc", "/proc"] {
        let case = Case::sh("echo ran").with(move |rootfs| {
            fs::remove_dir(rootfs.join("proc")).unwrap();
            symlink(target, rootfs.join("proc")).unwrap();
        });
        case.is_refused_by_us("can't mount proc on /proc");
    }
    let case = Case::sh("echo ran").with(|rootfs| {
        fs::remove_dir(rootfs.join("sys")).unwrap();
        symlink("/tmp", rootfs.join("sys")).unwrap();
    });
    case.is_refused_by_us("can't mount sysfs on /sys");
}

#[test]
fn masks_are_the_kernels_null() {
    // A file of the image's in its place would be what a mask shows.
    let case = Case::sh("echo ran")
        .with(|rootfs| fs::write(rootfs.join("etc/null"), "forged").unwrap())
        .mount("/dev/null", "bind", "/etc/hostname", &["bind"]);
    case.is_refused_by_us("is not the null device");
}

#[test]
fn huge_and_strange_files_of_users() {
    let with = |prepare: fn(&Path)| {
        Case::sh("echo ran").with(prepare).set("/process/user", json!({"uid": 33, "gid": 34}))
    };
    with(|rootfs| {
        fs::File::create(rootfs.join("etc/passwd")).unwrap().set_len(1 << 40).unwrap();
    })
    .is_refused_by_us("can't read the container's /etc/passwd: it is too large");
    with(|rootfs| {
        fs::remove_file(rootfs.join("etc/group")).unwrap();
        nix::unistd::mkfifo(&rootfs.join("etc/group"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    })
    .is_refused_by_us("can't read the container's /etc/group: it is no regular file");
    with(|rootfs| {
        fs::remove_file(rootfs.join("etc/passwd")).unwrap();
        symlink("/dev/zero", rootfs.join("etc/passwd")).unwrap();
    })
    .is_refused_by_us("can't read the container's /etc/passwd");
    with(|rootfs| {
        fs::remove_file(rootfs.join("etc/passwd")).unwrap();
        symlink("passwd", rootfs.join("etc/passwd")).unwrap();
    })
    .is_refused_by_us("can't read the container's /etc/passwd");
    // What is merely long is read.
    let case = with(|rootfs| {
        let line = format!("web:x:33:34:{}:/long:\n", "x".repeat(1 << 20));
        fs::write(rootfs.join("etc/passwd"), line).unwrap();
    });
    let case = case.set("/process/args/2", json!("echo $HOME"));
    runs(&case, "/long\n");
}

/// Swaps what is at `path` between a folder and a link to `target`, until told to stop.
fn swap(path: PathBuf, target: PathBuf, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let aside = path.with_extension("aside");
        while !stop.load(Ordering::Relaxed) {
            // Some steps fail while a runtime is at it.
            let _ = fs::rename(&path, &aside);
            let _ = symlink(&target, &path);
            let _ = fs::remove_file(&path);
            let _ = fs::rename(&aside, &path);
        }
    })
}

#[test]
fn links_that_come_and_go() {
    // Whatever the race's end, nothing is made or mounted outside.
    let case = Case::sh("true").writable();
    let host = outside(&case);
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let case = case
        .mount("/work/swapped/tmp", "tmpfs", "tmpfs", &["size=64k"])
        .mount("/work/swapped/new/deep", "tmpfs", "tmpfs", &["size=64k"])
        .set(
            "/linux/devices",
            json!([{"path": "/work/swapped/node", "type": "c", "major": 1, "minor": 3}]),
        )
        .set("/process/cwd", json!("/work/swapped/folder"));
    let bundle = case.make();
    let swapped = bundle.join("rootfs/work/swapped");
    fs::create_dir(&swapped).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = swap(swapped, host.clone(), stop.clone());
    for _ in 0..20 {
        let name = crate::runtimes::Name::new(Which::Ours, case.folder());
        // It may fail or not, by chance.
        let done = name.run(&bundle);
        assert!(matches!(done.status.code(), Some(0 | 255)), "{done:?}");
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    is_untouched(&host);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

#[test]
fn a_container_that_is_there_already() {
    let case = Case::sh("echo ready; while :; do sleep 1000; done");
    let mut story = crate::story::begin(&case, Which::Ours);
    assert_eq!(story.line(), "ready\n");
    let ids = crate::runtimes::prefix();
    let id = fs::read_dir(crate::runtimes::CGROUPS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with(&ids))
        .expect("its cgroup is there");
    // Another process can't know of it but by its cgroup.
    let mut command = Command::new(env!("CARGO_BIN_EXE_container-oracle"));
    command.args(["run", &id]).arg(case.folder()).arg(crate::runtimes::CGROUPS);
    let second = output(command);
    assert_eq!(second.status.code(), Some(255), "{second:?}");
    assert_eq!(story.status(), "running", "it goes on");
    story.delete().expect("it goes");
}

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    let changes: [fn(Case) -> Case; 6] = [
        |case| case.mount("/work", "nofs", "nofs", &[]),
        |case| case.set("/linux/sysctl", json!({"net.ipv4.no_such_thing": "1"})),
        |case| case.set("/process/args", json!(["no-such-program"])),
        |case| case.set("/hooks", json!({"createContainer": [{"path": "/bin/false"}]})),
        |case| case.set("/hooks", json!({"poststart": [{"path": "/bin/false"}]})),
        |case| case.set("/process/apparmorProfile", json!("none")),
    ];
    for change in changes {
        let case = change(Case::sh("while :; do sleep 1000; done"));
        let seen = case.run(Which::Ours);
        assert_eq!(seen.code, 255, "{seen:?}");
        let ids = crate::runtimes::prefix();
        let left = fs::read_dir(crate::runtimes::CGROUPS).unwrap();
        let left: Vec<_> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(&ids))
            .collect();
        assert!(left.is_empty(), "{left:?} after {seen:?}");
    }
}

#[test]
fn a_program_that_replaces_the_runtimes_binary() {
    // The new process runs from the agent's own file; the container must not get hold of
    // it to write.
    let script = "cat /proc/1/exe > /dev/null && readlink /proc/1/exe; for p in /proc/[0-9]*; do \
        readlink $p/exe; done | sort -u";
    let seen = Case::sh(script).run(Which::Ours);
    assert_eq!(seen.output.lines().next(), Some("/bin/busybox"), "{seen:?}");
    assert!(!seen.output.contains("container-oracle"), "{seen:?}");
    // A program that is a link to the process's own file would be that file.
    let case = Case::sh("").set("/process/args", json!(["/proc/self/exe", "init"]));
    let seen = case.run(Which::Ours);
    assert_ne!(seen.code, 0, "{seen:?}");
}
