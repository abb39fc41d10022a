//! Guests in forms that no recipe has as its usual one: erofs, initrds under
//! systemd, and measured erofs.

use super::boots::{passed, run_by_systemd};
use crate::checkout::{boot, booted, built};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[track_caller]
fn erofs(report: &Value, dax: bool) {
    run_by_systemd(report);
    let root = &report["guest"]["root"];
    assert_eq!((root["dax"].as_bool(), root["fstype"].as_str()), (Some(dax), Some("erofs")));
}

#[test]
fn plain_erofs_as_nvdimm_with_dax() {
    let report = booted(&["--distro", "debian", "--format", "erofs"]);
    erofs(&report, true);
    passed(&report, "dax");
    let command_line = report["guest"]["cmdline"].as_str().unwrap();
    assert!(command_line.contains("rootflags=dax ro rootfstype=erofs"), "{command_line}");
}

#[test]
fn compressed_erofs_as_a_virtio_disk_and_nothing_else() {
    let form = ["--distro", "debian", "--format", "erofs", "--compression", "lz4hc"];
    // No driver is named: the image says itself which one it is for.
    let report = booted(&form);
    erofs(&report, false);
    let command_line = report["guest"]["cmdline"].as_str().unwrap();
    assert!(command_line.contains("root=/dev/vda1 "), "{command_line}");
    let refused = boot(&[&form[..], &["--driver", "nvdimm"]].concat());
    assert_eq!(refused.status, Some(2), "{refused:#?}");
    let why = "can't be mapped with DAX, since its files are compressed with lz4hc; boot it with --driver virtio-blk";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let image = built(&form, None);
    let usual = built(&["--distro", "debian"], None);
    assert!(image.ends_with("kata-debian-trixie-erofs-lz4hc.img"), "{}", image.display());
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(size(&image) * 10 < size(&usual) * 7, "{} of {}", size(&image), size(&usual));
}

#[test]
fn measured_erofs_in_both_lives() {
    let dir = tempfile::tempdir().unwrap();
    let form = ["--distro", "debian", "--format", "erofs", "--verity"];
    let image = built(&form, Some(dir.path()));
    for driver in ["nvdimm", "virtio-blk"] {
        let report = booted(&["--image", image.to_str().unwrap(), "--driver", driver]);
        erofs(&report, false);
        let command_line = report["guest"]["cmdline"].as_str().unwrap();
        assert!(command_line.contains("root=/dev/dm-0 "), "{command_line}");
    }
}

#[test]
fn an_initrd_under_systemd() {
    let report = booted(&["--distro", "debian", "--type", "initrd", "--init", "systemd"]);
    run_by_systemd(&report);
    assert_eq!(report["guest"]["root"]["source"], "rootfs");
}
