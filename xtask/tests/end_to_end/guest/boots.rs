//! `cargo xtask boot` of guests that come up, in all forms they are built in.

use crate::checkout::{artifact, boot, booted, measured};
use serde_json::Value;
use std::fs;

/// The detail of a check, which has to have passed.
#[track_caller]
pub fn passed<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}: {report:#}"));
    assert_eq!(check["passed"], true, "{check:#}");
    check["detail"].as_str().unwrap()
}

/// What every guest has in common.
#[track_caller]
fn healthy(report: &Value) {
    for name in ["version", "guest details", "memory", "power-off", "destroy sandbox"] {
        passed(report, name);
    }
    assert_eq!(report["agent_version"], env!("CARGO_PKG_VERSION"));
    let stages: Vec<_> = report["timeline"]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["firmware", "kernel", "init", "agent", "checks", "power-off"]);
}

/// What a guest of systemd has.
#[track_caller]
pub(super) fn run_by_systemd(report: &Value) {
    healthy(report);
    assert_eq!(report["guest"]["pid1"]["comm"], "systemd");
    assert_eq!(report["guest"]["pid1"]["is_agent"], false);
    assert_eq!(report["guest"]["systemd"]["state"], "running");
    assert_eq!(report["guest"]["systemd"]["failed_units"], Value::Array(Vec::new()));
    passed(report, "failed units");
    passed(report, "clock at boot");
}

#[track_caller]
fn run_by_the_agent(report: &Value) {
    healthy(report);
    assert_eq!(report["guest"]["pid1"]["is_agent"], true);
    assert_eq!(report["guest"]["systemd"]["running"], false);
    passed(report, "pid 1");
}

#[test]
fn debian_image_as_nvdimm_with_dax() {
    let report = booted(&["--distro", "debian"]);
    run_by_systemd(&report);
    passed(&report, "dax");
    let root = &report["guest"]["root"];
    assert_eq!((root["dax"].as_bool(), root["fstype"].as_str()), (Some(true), Some("ext4")));
    let command_line = report["guest"]["cmdline"].as_str().unwrap();
    assert!(command_line.contains("root=/dev/pmem0p1 "), "{command_line}");
}

#[test]
fn the_same_debian_image_as_a_virtio_disk() {
    let report = booted(&["--distro", "debian", "--driver", "virtio-blk"]);
    run_by_systemd(&report);
    let root = &report["guest"]["root"];
    assert_eq!((root["dax"].as_bool(), root["fstype"].as_str()), (Some(false), Some("ext4")));
    let command_line = report["guest"]["cmdline"].as_str().unwrap();
    assert!(command_line.contains("root=/dev/vda1 "), "{command_line}");
}

#[test]
fn alpine_initrd() {
    let report = booted(&["--distro", "alpine"]);
    run_by_the_agent(&report);
    assert_eq!(report["guest"]["root"]["source"], "rootfs");
}

#[test]
fn alpine_initrd_by_its_path() {
    let initrd = artifact("alpine");
    run_by_the_agent(&booted(&["--initrd", initrd.to_str().unwrap()]));
}

#[test]
fn debian_initrd() {
    let report = booted(&["--distro", "debian", "--type", "initrd"]);
    run_by_the_agent(&report);
    assert_eq!(report["guest"]["root"]["source"], "rootfs");
}

#[test]
fn alpine_image() {
    let report = booted(&["--distro", "alpine", "--type", "image"]);
    run_by_the_agent(&report);
    passed(&report, "dax");
    assert_eq!(report["guest"]["root"]["dax"], true);
}

#[test]
fn counted_guest_time_is_the_same_in_every_run() {
    let counted = || {
        let report = booted(&["--distro", "alpine", "--icount"]);
        assert_eq!(report["icount"], true);
        report["timeline"]["guest_agent_listening_ns"].as_u64().unwrap()
    };
    let (first, second) = (counted(), counted());
    assert!(first > 0);
    assert_eq!(first, second);
}

#[test]
fn a_report_has_the_timeline_as_data_and_picture_and_the_console() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new/report");
    let printed = booted(&["--distro", "alpine", "--report", folder.to_str().unwrap()]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let written: Value = serde_json::from_str(&read("boot.json")).unwrap();
    assert_eq!(written, printed);
    let svg = read("boot.svg");
    let picture = roxmltree::Document::parse(&svg).unwrap();
    assert_eq!(picture.root_element().tag_name().name(), "svg");
    let texts: Vec<_> = picture.descendants().filter_map(|node| node.text()).collect();
    for stage in ["firmware", "kernel", "init", "agent ready", "checks", "power-off"] {
        assert!(texts.iter().any(|text| text.contains(stage)), "{stage} is not in {texts:?}");
    }
    let console = fs::read(folder.join("console.log")).unwrap();
    let console = String::from_utf8_lossy(&console);
    assert!(console.contains("Linux version ") && console.contains("ttRPC server started"));
}

#[test]
fn two_boots_at_once_do_not_meet() {
    let runs = std::thread::scope(|scope| {
        let boots = [(); 2].map(|()| scope.spawn(|| boot(&["--distro", "alpine"])));
        boots.map(|boot| boot.join().unwrap())
    });
    for ran in runs {
        run_by_the_agent(&ran.succeeded().json());
    }
}

#[test]
fn a_measured_image_in_both_lives() {
    let dir = tempfile::tempdir().unwrap();
    let image = measured(dir.path());
    for driver in ["nvdimm", "virtio-blk"] {
        let report = booted(&["--image", image.to_str().unwrap(), "--driver", driver]);
        run_by_systemd(&report);
        let command_line = report["guest"]["cmdline"].as_str().unwrap();
        assert!(command_line.contains("root=/dev/dm-0 "), "{command_line}");
        assert_eq!(report["guest"]["root"]["dax"], false);
    }
}
