//! An image's filesystem, as e2fsprogs see it.

use crate::listing::{Listing, ours, theirs};
use crate::project::Plain;
use crate::reason::{Reason, Side, compare};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Where the filesystem begins: behind two partition tables and their gap.
const START: u64 = 3 << 20;

/// The name of the filesystem in an image, for e2fsprogs.
fn place(image: &Path) -> String {
    format!("{}?offset={START}", image.display())
}

/// Fails where e2fsck finds anything wrong.
pub fn check(image: &Path) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output =
        Command::new("e2fsck").args(["-f", "-n", &place(image)]).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("e2fsck: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("Pass 5"), "{said}");
}

/// Copies everything out of the image with debugfs and compares it with the
/// list of contents. debugfs makes a file of each hard link and leaves the bits
/// beyond rwx out, so that it is asked for those one by one.
pub fn compare_with_list(built: &Plain) {
    let script = "PATH=$PATH:/usr/sbin:/sbin\n\
        debugfs -R \"rdump / $ROOT\" \"$1\" 2>&1 | grep -v ^debugfs || true";
    let place = place(&built.artifact());
    let dumped = theirs(&built.path("dumped"), script, &[OsStr::new(&place)]);
    let alone = |listing: Listing| -> Listing {
        let alone = listing.into_iter().map(|(path, mut seen)| {
            seen.linked = None;
            seen.mode &= 0o777;
            (path, seen)
        });
        alone.collect()
    };
    let lost = Reason {
        side: Side::Theirs,
        paths: &["/lost+found"],
        why: "e2fsck puts there what it finds; every filesystem has one",
    };
    let listed = ours(&built.contents, |_| false);
    let special: Vec<(&String, u32)> = listed
        .iter()
        .filter(|(_, seen)| seen.mode & 0o7000 != 0)
        .map(|(path, seen)| (path, seen.mode))
        .collect();
    assert!(special.len() > 2, "{special:?}");
    for (file, mode) in special {
        let search = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let request = format!("stat \"{file}\"");
        let mut debugfs = Command::new("debugfs");
        let output = debugfs.args(["-R", &request, &place]).env("PATH", search).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&format!("Mode:  {mode:05o}")), "{file}: {said}");
    }
    compare(&alone(listed.clone()), &alone(dumped), &[&lost]);
}
