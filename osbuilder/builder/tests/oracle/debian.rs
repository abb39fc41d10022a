//! Debian's packages: our tree against `dpkg-deb --extract` of the same files,
//! one after another. That knows nothing of architectures, so that it judges
//! guests of other machines as well.

use crate::image;
use crate::listing::{ours, theirs};
use crate::project::{Plain, Wanted};
use crate::reason::{Reason, Side, compare};
use recipe::Type;
use std::ffi::OsStr;

const REASONS: &[Reason] = &[
    Reason {
        side: Side::Ours,
        paths: &["/etc/passwd", "/etc/group", "/etc/shadow", "/usr/bin/kata-agent"],
        why: "the builder writes accounts and the agent, which are in no package",
    },
    Reason {
        side: Side::Both,
        paths: &["/usr/sbin/init"],
        why: "the guest is built with the agent as PID 1, in the place of systemd-sysv's link",
    },
];

fn plain(architecture: &str) -> Plain {
    Plain::build(&Wanted {
        distro: "debian",
        packages: Vec::new(),
        link_lists: None,
        kind: Type::Image,
        architecture,
        mirror: None,
        key: None,
    })
}

fn compare_with_dpkg(built: &Plain) {
    let files = built.files();
    assert_eq!(files.len(), built.manifest.packages.len());
    let words: Vec<&OsStr> = files.iter().map(|file| file.path().as_os_str()).collect();
    let script = "for deb; do dpkg-deb --extract \"$deb\" \"$ROOT\"; done";
    let theirs = theirs(&built.path("theirs"), script, &words);
    compare(&ours(&built.contents, |_| false), &theirs, &REASONS.iter().collect::<Vec<_>>());
}

#[test]
fn a_debian_tree_is_what_dpkg_unpacks() {
    compare_with_dpkg(&plain("x86_64"));
}

#[test]
fn an_image_for_another_architecture_is_what_dpkg_unpacks() {
    let foreign = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
    let built = plain(foreign);
    assert_eq!(built.manifest.architecture, foreign);
    compare_with_dpkg(&built);
    // The list of contents says what is in the image; e2fsprogs say it too.
    image::check(&built.artifact());
    image::compare_with_list(&built);
}
