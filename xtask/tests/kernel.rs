//! The kernel's configuration against the real source, by the command line: what
//! was asked for and did not survive stops the build, with Kconfig's reason.
//! The kernel itself is built and booted by the other end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_option_that_does_not_survive_stops_the_build_with_its_reason() {
    let project = tempfile::tempdir().unwrap();
    copy(&root().join("recipes"), &project.path().join("recipes"));
    copy(&root().join("kernel/configs"), &project.path().join("kernel/configs"));
    fs::copy(root().join("versions.yaml"), project.path().join("versions.yaml")).unwrap();
    let run = || {
        let mut command = Command::cargo_bin("xtask").unwrap();
        command.current_dir(project.path()).args(["-q", "build-kernel", "--config-only"]);
        command.output().unwrap()
    };
    let good = run();
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let out = project.path().join("target/kata/x86_64");
    let before = listing(&out);

    fs::write(
        project.path().join("kernel/configs/common/zz-bad.conf"),
        "# Wrong in all the usual ways.\nCONFIG_XEN_PVH=y\nCONFIG_VIRTIO_FSS=y\nCONFIG_ZONEFS_FS=y\n\
         CONFIG_NETFS_SUPPORT=y\n# CONFIG_CRYPTO_HASH is not set\nCONFIG_LOG_BUF_SHIFT=99\n",
    )
    .unwrap();
    let bad = run();
    let text = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(1), "{text}");
    for expected in [
        "zz-bad.conf:2",
        "needs XEN",
        "did you mean CONFIG_VIRTIO_FS?",
        "BLK_DEV_ZONED is n",
        "it cannot be set by hand",
        "selects it",
        "its range is 12 to 25",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(listing(&out), before);
}

fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}
