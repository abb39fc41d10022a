//! How mount events travel between the container and the outside.

use nix::mount::MsFlags;
use serde_json::json;

use crate::case::Case;
use crate::mountinfo;
use crate::runtimes::{BOTH, Which};

fn mounts() -> Case {
    let case = Case::sh("cat /proc/self/mountinfo");
    let bundle = case.folder().to_str().unwrap().to_owned();
    case.normal(move |text| mountinfo::normal(text, &bundle))
}

#[test]
fn of_the_root_filesystem() {
    // With an unbindable one runc can't bind the root filesystem, so nobody asks for it.
    for kind in ["private", "rprivate", "slave", "rslave"] {
        mounts().set("/linux/rootfsPropagation", json!(kind)).shows(&["BUNDLE/rootfs / ro"]);
    }
}

#[test]
fn of_a_shared_root_filesystem() {
    // This runc forgets to apply it to the new root, which newer ones mended.
    for (kind, below) in [("shared", "- proc"), ("rshared", "shared:")] {
        let case = mounts().set("/linux/rootfsPropagation", json!(kind));
        let theirs = case.run(Which::Runc).output;
        assert!(theirs.contains("BUNDLE/rootfs / ro,relatime - ext4"), "{theirs}");
        let ours = case.run(Which::Ours).output;
        assert!(ours.contains("BUNDLE/rootfs / ro,relatime shared:0 - "), "{ours}");
        assert!(ours.contains(&format!(" /proc rw,relatime {below}")), "{ours}");
    }
}

#[test]
fn of_a_mount() {
    for kind in ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"] {
        let shared = match kind {
            "shared" | "rshared" => " shared:",
            "unbindable" => " unbindable - ",
            _ => " - ",
        };
        mounts()
            .mount("/work", "tmpfs", "tmpfs", &["size=64k", "mode=755", kind])
            .mount("/tmp", "bind", "/etc", &["rbind", kind])
            .shows(&[&format!(" / /work rw,relatime{shared}")]);
    }
}

#[test]
fn of_a_mount_and_of_the_root() {
    for (root, mount) in [("private", "rprivate"), ("rslave", "rshared"), ("rprivate", "rslave")] {
        mounts()
            .set("/linux/rootfsPropagation", json!(root))
            .mount("/work", "tmpfs", "tmpfs", &["size=64k", "mode=755", mount])
            .shows(&[" / /work rw,relatime"]);
    }
}

#[test]
fn an_unknown_kind_fails_both() {
    let case = mounts().set("/linux/rootfsPropagation", json!("sideways"));
    case.is_refused("rootfsPropagation=sideways", "is no propagation");
}

/// A folder of the host on which a shared tmpfs is mounted, with another below it; for
/// this thread and what it starts only.
fn shared_source(case: &Case) -> String {
    let source = case.path("source");
    let none = None::<&str>;
    let mount = |from: Option<&str>, to: &str, flags: MsFlags| {
        let data = from.map(|_| "size=64k,mode=755");
        nix::mount::mount(from, to, from, flags, data).expect("root may mount");
    };
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("root may");
    mount(none, "/", MsFlags::MS_PRIVATE | MsFlags::MS_REC);
    std::fs::create_dir(&source).unwrap();
    mount(Some("tmpfs"), &source, MsFlags::empty());
    mount(none, &source, MsFlags::MS_SHARED);
    std::fs::create_dir(format!("{source}/inner")).unwrap();
    mount(Some("tmpfs"), &format!("{source}/inner"), MsFlags::empty());
    source
}

#[test]
fn of_a_shared_mount_of_the_host() {
    for (root, kind, shown) in [
        ("rprivate", "rprivate", " / /work rw,relatime - tmpfs"),
        ("rslave", "rslave", " / /work rw,relatime master:0 - tmpfs"),
        ("rslave", "slave", " / /work rw,relatime master:0 - tmpfs"),
        ("private", "nosuid", " / /work rw,nosuid,relatime shared:0 - tmpfs"),
        ("rslave", "nosuid", " / /work rw,nosuid,relatime master:0 - tmpfs"),
    ] {
        let case = mounts();
        let source = shared_source(&case);
        case.set("/linux/rootfsPropagation", json!(root))
            .mount("/work", "bind", &source, &["rbind", kind])
            .shows(&[shown, " / /work/inner rw,"]);
    }
}

#[test]
fn mounts_travel_both_ways_when_shared() {
    // The root's propagation is what Kubernetes asks for with it.
    let case = Case::sh("mkdir /work/made && mount -t tmpfs -o size=64k x /work/made && echo done");
    let source = shared_source(&case);
    let seen = || {
        let text = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let made = format!("{source}/made");
        let is = text.lines().any(|line| line.split(' ').nth(4) == Some(&made));
        if is {
            nix::mount::umount(made.as_str()).expect("it is there");
            std::fs::remove_dir(&made).expect("it is empty");
        }
        is
    };
    let case = case
        .capable(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"])
        .set("/linux/rootfsPropagation", json!("rshared"))
        .mount("/work", "bind", &source, &["rbind", "rshared"]);
    for which in BOTH {
        assert_eq!(case.run(which).output, "done\n", "{which:?}");
        assert!(seen(), "{which:?}");
    }
    // And not when it is not.
    let case = case.remove("/mounts/6").mount("/work", "bind", &source, &["rbind", "rslave"]);
    for which in BOTH {
        assert_eq!(case.run(which).output, "done\n", "{which:?}");
        assert!(!seen(), "{which:?}");
        std::fs::remove_dir(format!("{source}/made")).expect("it is empty");
    }
}
