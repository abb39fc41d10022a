//! What build-image wrote, looked at with other people's tools.

use crate::checkout::{Ran, artifact, built, kernel, xtask};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs a tool of the host; ones for filesystems are not on every user's PATH.
fn tool(program: &str, words: &[&str], input: &[u8]) -> Ran {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut child = Command::new(program)
        .args(words)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run cargo xtask setup ci"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let ran = Ran::of(&child.wait_with_output().unwrap());
    // A tool that stops reading early says itself what it did not like.
    let _ = writer.join().unwrap();
    ran
}

#[test]
fn e2fsck_finds_nothing_wrong_with_the_debian_image() {
    let image = artifact("debian");
    // The one partition begins at 3 MiB.
    let place = format!("{}?offset={}", image.display(), 3 << 20);
    let ran = tool("e2fsck", &["-f", "-n", &place], b"");
    assert_eq!(ran.status, Some(0), "{ran:#?}");
    for pass in ["Pass 1", "Pass 2", "Pass 3", "Pass 4", "Pass 5"] {
        assert!(ran.stdout.contains(pass), "{ran:#?}");
    }
}

#[test]
fn both_partition_tables_lead_to_the_same_file_system() {
    let image = std::fs::read(artifact("debian")).unwrap();
    let number = |at: usize| u64::from(u32::from_le_bytes(image[at..at + 4].try_into().unwrap()));
    let start = |table: usize| {
        assert_eq!(image[table + 510..table + 512], [0x55, 0xaa], "no table at {table}");
        // The first sector of the first entry.
        number(table + 446 + 8) * 512
    };
    let (disk, nvdimm) = (start(0), start(2 << 20));
    assert_eq!(disk, 3 << 20);
    assert_eq!(nvdimm + (2 << 20), disk);
    assert_eq!(image[4096..4112], *b"NVDIMM_PFN_INFO\0");
    // ext4's magic number in the superblock.
    assert_eq!(image[(3 << 20) + 1024 + 56..][..2], [0x53, 0xef]);
}

/// Names in the initrd, without the leading `./`, as cpio lists them.
fn listed(distro: &str) -> Vec<String> {
    let initrd = std::fs::read(artifact(distro)).unwrap();
    let archive = zstd::decode_all(initrd.as_slice()).unwrap();
    let ran = tool("cpio", &["-it", "--quiet"], &archive).succeeded();
    assert_eq!(ran.stderr, "");
    let names = ran.stdout.lines().map(|line| line.trim_start_matches("./").to_owned());
    names.filter(|name| name != ".").collect()
}

#[test]
fn the_initrd_holds_what_a_guest_needs_and_nothing_else() {
    let names = listed("alpine");
    for name in ["init", "usr/bin/kata-agent", "bin/busybox", "bin/sh"] {
        assert!(names.iter().any(|listed| listed == name), "{name} is missing");
    }
    let top: BTreeSet<_> = names.iter().map(|name| name.split('/').next().unwrap()).collect();
    let expected = [
        "bin", "dev", "etc", "init", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
        "var",
    ];
    assert_eq!(top, BTreeSet::from(expected));
    let unwanted = [
        "lib/apk",
        "etc/apk",
        "sbin/apk",
        "usr/lib/apk",
        "var/cache/",
        "var/lib/apk",
        "var/lib/dpkg",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/info",
        "usr/share/locale",
        "usr/share/i18n",
        "usr/include",
    ];
    for name in &names {
        let found = unwanted.iter().find(|unwanted| name.starts_with(*unwanted));
        assert_eq!(found, None, "{name} is of no use in a guest");
    }
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "a name is there twice");
}

#[test]
fn the_tar_is_the_tree_of_the_image() {
    let archive = built(&["--distro", "alpine", "--type", "tar"], None);
    assert!(archive.ends_with("kata-alpine-3.23.tar"), "{}", archive.display());
    let archive = archive.to_str().unwrap();
    let words = ["--list", "--verbose", "--numeric-owner", "--file", archive];
    let ran = tool("tar", &words, b"").succeeded();
    assert_eq!(ran.stderr, "");
    for end in [" ./", " ./usr/bin/kata-agent", " ./bin/busybox", " ./tmp/"] {
        assert!(ran.stdout.lines().any(|line| line.ends_with(end)), "{end} is not in {ran:#?}");
    }
    let booted = xtask(&["boot", "--distro", "alpine", "--type", "tar"]);
    assert_eq!(booted.status, Some(2), "{booted:#?}");
}

#[test]
fn a_bundle_is_an_artefact_and_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/layout");
    let place = folder.to_str().unwrap();
    let archive = built(&["--distro", "alpine", "--type", "tar"], None);
    let (initrd, kernel) = (artifact("alpine"), kernel());
    let words = [
        "bundle",
        "--oci",
        place,
        "--initrd",
        initrd.to_str().unwrap(),
        "--kernel",
        kernel.to_str().unwrap(),
        "--rootfs",
        archive.to_str().unwrap(),
    ];
    xtask(&words).succeeded();
    // Once more, on top of the first.
    xtask(&words).succeeded();
    let beside = std::fs::read_dir(folder.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "something half-written is left");
    let raw = |tag: &str| {
        let reference = format!("oci:{place}:{tag}");
        let ran = tool("skopeo", &["inspect", "--raw", &reference], b"").succeeded();
        ran.json()
    };
    let guest = raw("guest");
    assert_eq!(guest["artifactType"], "application/vnd.kata-containers.guest.v1");
    let titles: Vec<_> = guest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["annotations"]["org.opencontainers.image.title"].as_str().unwrap())
        .collect();
    assert_eq!(titles[1..], ["kata-alpine-3.23.initrd", "kata-alpine-3.23.initrd.manifest.json"]);
    assert!(titles[0].starts_with("vmlinuz"), "{titles:?}");
    let image = format!("{place}:rootfs");
    let bundle = dir.path().join("bundle");
    let unpack = ["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()];
    tool("umoci", &unpack, b"").succeeded();
    let unpacked = std::fs::read(bundle.join("rootfs/usr/bin/kata-agent")).unwrap();
    assert!(unpacked.starts_with(b"\x7fELF"));
}
