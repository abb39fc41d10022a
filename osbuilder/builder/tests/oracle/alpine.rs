//! Alpine's packages: our tree against what the real apk installs from the same
//! mirror, which is rebuilt from the wheel with an installed Alpine.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use crate::apk::{Apk, RELEASE, may_chroot, rebuild};
use crate::listing::{folder, ours};
use crate::project::{Plain, Wanted};
use crate::reason::{Reason, Side, compare};
use recipe::Type;
use std::fs;

/// The differences that are there whoever runs the test.
const REASONS: &[Reason] = &[
    Reason {
        side: Side::Ours,
        paths: &["/usr/bin/kata-agent", "/init"],
        why: "the builder puts the agent in, which is in no package",
    },
    Reason {
        side: Side::Both,
        paths: &["/etc/passwd", "/etc/group", "/etc/shadow"],
        why: "the builder writes the accounts that the recipe names, here none",
    },
    Reason {
        side: Side::Theirs,
        paths: &["/etc/apk/arch", "/etc/apk/world", "/lib/apk/db/**", "/var/log/apk.log"],
        why: "apk keeps books about what it installed, for which a guest has no use",
    },
];

/// What scripts do, where apk could run them; the links of busybox are made by
/// a noun of the recipe in their place.
const SCRIPTS: &[Reason] = &[
    Reason {
        side: Side::Both,
        paths: &["/sbin/init"],
        why: "busybox is init of an installed Alpine, the agent that of a guest",
    },
    Reason {
        side: Side::Theirs,
        paths: &["/etc/passwd-", "/etc/group-", "/etc/shadow-"],
        why: "scripts add accounts with tools that keep a copy; the recipe names accounts",
    },
    Reason {
        side: Side::Theirs,
        paths: &["/etc/ssl/certs/**"],
        why: "a trigger of ca-certificates links every certificate by its hash",
    },
    Reason {
        side: Side::Theirs,
        paths: &["/boot/boot", "/boot/initramfs-virt", "/lib/modules/**"],
        why: "the kernel's trigger makes an initramfs for an installed system",
    },
];

/// What differs where no script ran.
const NO_SCRIPTS: &[Reason] = &[Reason {
    side: Side::Ours,
    paths: &["/sbin/init"],
    why: "a script of busybox would have made a link there, as the builder does",
}];

#[test]
fn an_alpine_tree_is_what_apk_installs() {
    let dir = tempfile::tempdir().unwrap();
    let made = rebuild(&dir.path().join("alpine"));
    let mirror = dir.path().join("alpine");
    let files = fs::read_dir(mirror.join(RELEASE).join("main/x86_64")).unwrap();
    let mut packages: Vec<String> = files
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            // name-version-rN.apk
            let (rest, _revision) = name.strip_suffix(".apk")?.rsplit_once('-')?;
            Some(rest.rsplit_once('-')?.0.to_owned())
        })
        .collect();
    packages.sort();
    assert_eq!(packages.len(), made.packages);
    let scripts = may_chroot();
    let links = serde_json::json!([
        {"list": "/etc/busybox-paths.d/busybox", "target": "/bin/busybox"}
    ]);
    let built = Plain::build(&Wanted {
        distro: "alpine",
        link_lists: scripts.then_some(links),
        packages: packages.clone(),
        kind: Type::Initrd,
        architecture: "x86_64",
        mirror: Some(&made.url),
        key: Some(&made.public_key),
    });
    assert_eq!(built.manifest.packages.len(), packages.len());

    let apk = Apk::extract(&dir.path().join("apk"));
    let root = dir.path().join("root");
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    apk.add(&root, &mirror, made.public_key.parent().unwrap(), &names).unwrap();
    let mut reasons: Vec<&Reason> = REASONS.iter().collect();
    reasons.extend(if scripts { SCRIPTS } else { NO_SCRIPTS });
    compare(&ours(&built.contents, |_| false), &folder(&root), &reasons);
}
