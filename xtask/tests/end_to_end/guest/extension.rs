//! The devkit extension in real guests: mounted before the agent answers, and
//! refused when it is not what it should be.

use super::running::{Guest, fails};
use crate::checkout::{artifact, boot, booted, devkit};
use boot_check::{Extension, FailureClass, RootDriver, Rootfs};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn manifest(image: &Path) -> Value {
    let path = format!("{}.manifest.json", image.display());
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The extension in a folder that goes with the result.
fn built() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let image = devkit(folder.path());
    (folder, image)
}

#[test]
fn it_is_mounted_under_systemd_and_under_the_agent() {
    let (_folder, image) = built();
    let extension = ["--extension", image.to_str().unwrap()];
    for guest in [
        &["--distro", "debian"][..],
        &["--distro", "debian", "--driver", "virtio-blk"],
        &["--distro", "alpine"],
    ] {
        let report = booted(&[guest, &extension].concat());
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "extension devkit").unwrap();
        assert_eq!(check["passed"], true, "{check}");
        let detail = check["detail"].as_str().unwrap();
        assert!(detail.starts_with("/dev/dm-0 of type erofs (ro,"), "{detail}");
    }
}

#[test]
fn its_files_are_there_and_its_shell_is_the_debug_console_s() {
    let (_folder, image) = built();
    let verity_params = manifest(&image)["verity-params"].as_str().unwrap().to_owned();
    let guest = Guest::boot(Rootfs::Initrd(artifact("alpine")), |request| {
        request.extra_kernel_params.push("agent.debug_console".into());
        request.extend(Extension {
            name: "devkit".into(),
            path: image.clone(),
            verity_params: Some(verity_params),
        });
    });
    // Alpine has neither bash nor strace nor glibc.
    let script = "strace -V | head -1; echo bash-${BASH_VERSINFO[0]}-; \
                  [ -e /usr/bin/kata-agent ] || echo without-$((1+1)); \
                  [ -e /guest/usr/bin/kata-agent ] && echo guest-$((1+1)); exit\n";
    let said = guest.console(script).succeeded().stdout;
    for answer in ["strace -- version ", "bash-5-\r\n", "without-2\r\n", "guest-2\r\n"] {
        assert!(said.contains(answer), "{answer} is not in {said}");
    }
    guest.ctl(&["CreateSandbox sandbox_id=a", "DestroySandbox"]).succeeded();
    assert!(guest.ended().is_guest_shutdown(), "{}", guest.words());
}

/// Boots with the extension and gives the class and what people read.
#[track_caller]
fn refused(distro: &str, image: &Path) -> (String, String) {
    let ran = boot(&["--distro", distro, "--extension", image.to_str().unwrap()]);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    let class = ran.json()["boot"]["diagnosis"]["class"]["kind"].as_str().unwrap().to_owned();
    (class, ran.stderr)
}

/// Puts `new` in the place of `old` in the manifest.
fn rewrite(image: &Path, old: &str, new: &str) {
    let path = format!("{}.manifest.json", image.display());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{old} is not in {text}");
    fs::write(path, text.replace(old, new)).unwrap();
}

#[test]
fn a_changed_byte_ends_the_guest() {
    let (_folder, image) = built();
    let mut bytes = fs::read(&image).unwrap();
    // In the superblock's block, which no mount can do without.
    bytes[(1 << 20) + 4000] ^= 1;
    fs::write(&image, bytes).unwrap();
    for distro in ["debian", "alpine"] {
        let (class, text) = refused(distro, &image);
        assert_eq!(class, "tampered", "{text}");
        assert!(text.contains("in the extension devkit"), "{text}");
        assert!(text.contains("kata.extension.devkit.verity_params"), "{text}");
    }
}

#[test]
fn the_root_hash_of_another_one_ends_the_guest() {
    let (_folder, image) = built();
    let hash = manifest(&image)["root-hash"].as_str().unwrap().to_owned();
    rewrite(&image, &hash, &"5a".repeat(32));
    let (class, text) = refused("alpine", &image);
    assert_eq!(class, "tampered", "{text}");
    assert!(text.contains("in the extension devkit"), "{text}");
}

#[test]
fn digests_without_parameters_end_the_guest() {
    let (_folder, path) = built();
    let roots = [
        Rootfs::Initrd(artifact("alpine")),
        Rootfs::Image {
            path: artifact("debian"),
            driver: RootDriver::NvdimmDax,
            fstype: "ext4".into(),
        },
    ];
    for rootfs in roots {
        let extension =
            Extension { name: "devkit".into(), path: path.clone(), verity_params: None };
        let failure = fails(rootfs, |request| request.extend(extension));
        assert_eq!(*failure.class(), FailureClass::InitDied, "{failure}");
        let text = failure.to_string();
        assert!(text.contains("has a partition of digests, but the kernel command line"), "{text}");
        assert!(text.contains("kata.extension.NAME.verity_params"), "{text}");
        assert!(text.contains("reboot: Power down"), "{text}");
    }
}

#[test]
fn a_disk_that_is_not_there_ends_the_guest() {
    let verity = format!("root_hash={},salt=,data_blocks=1", "00".repeat(32));
    let append = format!("kata.extension.gone.verity_params={verity}");
    let ran = boot(&["--distro", "alpine", "--append", &append]);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    assert_eq!(ran.json()["boot"]["diagnosis"]["class"]["kind"], "init-died");
    assert!(ran.stderr.contains("the extension gone has no disk"), "{}", ran.stderr);
}
