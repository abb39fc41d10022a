//! `cargo xtask boot` of guests that do not come up: exit status, class, what to
//! look at and the console's last lines reach the caller.

use crate::checkout::{boot, measured, root, xtask};
use serde_json::Value;
use std::fs;

/// Boots a guest that must not come up. The result is the failure as JSON and as
/// people read it.
#[track_caller]
fn failed(words: &[&str]) -> (Value, String) {
    let ran = boot(words);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    let json = ran.json();
    assert_eq!(json["status"], 1);
    (json["boot"].clone(), ran.stderr)
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_root_device_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().to_str().unwrap();
    let append = "root=/dev/nonexistent";
    let (json, text) = failed(&["--distro", "debian", "--append", append, "--report", report]);
    assert_eq!(json["diagnosis"]["class"]["kind"], "no-root-device");
    let suspect = json["diagnosis"]["suspect"].as_str().unwrap();
    assert!(suspect.contains("root= on the command line"), "{suspect}");
    contains(
        &text,
        &[
            "no-root-device",
            "the root device \"/dev/nonexistent\" is not there",
            "look at: root= on the command line",
            "last console lines:",
            "Kernel panic - not syncing: VFS: Unable to mount root fs",
        ],
    );
    // What is kept of it is the same.
    let written: Value =
        serde_json::from_slice(&fs::read(dir.path().join("boot.json")).unwrap()).unwrap();
    assert_eq!(written, json);
    let svg = fs::read_to_string(dir.path().join("boot.svg")).unwrap();
    roxmltree::Document::parse(&svg).unwrap();
    let console = fs::read(dir.path().join("console.log")).unwrap();
    contains(&String::from_utf8_lossy(&console), &["Linux version ", "Kernel panic"]);
}

#[test]
fn an_agent_that_can_not_run_is_quoted() {
    let (json, text) = failed(&["--distro", "alpine", "--append", "agent.server_addr=bogus://x"]);
    assert_eq!(json["diagnosis"]["class"]["kind"], "init-died");
    contains(&text, &["init-died", "can't listen on bogus://x", "look at: agent.server_addr="]);
}

#[test]
fn a_kernel_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vmlinuz");
    fs::write(&path, "not a kernel at all\n".repeat(100)).unwrap();
    let (json, text) = failed(&["--distro", "alpine", "--kernel", path.to_str().unwrap()]);
    assert_eq!(json["diagnosis"]["class"]["kind"], "hypervisor-failed");
    contains(&text, &["hypervisor-failed", "look at: the file given as kernel"]);
}

#[test]
fn files_that_are_not_there_are_wrong_input() {
    let ran = xtask(&["--json", "boot", "--initrd", "/no/such/initrd"]);
    assert_eq!(ran.status, Some(2), "{ran:#?}");
    contains(&ran.stderr, &["/no/such/initrd can't be booted"]);
}

#[test]
fn one_changed_byte_of_a_measured_image() {
    let dir = tempfile::tempdir().unwrap();
    let image = measured(dir.path());
    let mut bytes = fs::read(&image).unwrap();
    // The agent's own first page, which no boot can do without. The file is
    // sought behind the header, in whole blocks, as the filesystem lays it out.
    let agent = fs::read(root().join("target/kata/x86_64/kata-agent")).unwrap();
    let place = (3 << 20..bytes.len())
        .step_by(4096)
        .find(|at| bytes[*at..].starts_with(&agent[..4096]))
        .unwrap();
    bytes[place + 4000] ^= 1;
    fs::write(&image, bytes).unwrap();
    let (json, text) = failed(&["--image", image.to_str().unwrap(), "--driver", "virtio-blk"]);
    assert_eq!(json["diagnosis"]["class"]["kind"], "tampered", "{text}");
    contains(&text, &["tampered", "not the measured ones", "is corrupted"]);
    // A root hash of another image: not even the filesystem can be read.
    let manifest = format!("{}.manifest.json", image.display());
    let record = fs::read_to_string(&manifest).unwrap();
    let known: Value = serde_json::from_str(&record).unwrap();
    let hash = known["verity"]["root-hash"].as_str().unwrap();
    fs::write(&manifest, record.replace(hash, &"5a".repeat(32))).unwrap();
    let (json, text) = failed(&["--image", image.to_str().unwrap()]);
    assert_eq!(json["diagnosis"]["class"]["kind"], "tampered", "{text}");
}
