//! How a container ends, and what is no container at all.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::runtimes::{BOTH, Name};

#[test]
fn codes_are_the_programs() {
    for code in [0, 1, 5, 126, 127, 128, 254] {
        Case::sh(&format!("echo out; exit {code}")).ends_with(code, &["out\n"]);
    }
}

#[test]
fn a_killed_program_tells_the_signal() {
    // With the host's processes it is an ordinary one, not number 1.
    let namespaces = json!([{"type": "mount"}]);
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("HUP", 129), ("SEGV", 139), ("USR1", 138)]
    {
        Case::sh(&format!("echo out; kill -{signal} $$; echo on"))
            .remove("/hostname")
            .set("/linux/namespaces", namespaces.clone())
            .ends_with(code, &["out\n"]);
    }
}

#[test]
fn number_1_does_not_end_by_its_own_signals() {
    Case::sh("kill -TERM 1; kill -KILL 1; echo on; exit 3").ends_with(3, &["on\n"]);
    Case::sh("trap 'echo caught; exit 4' TERM; kill -TERM $$; echo on").ends_with(4, &["caught\n"]);
}

#[test]
fn the_last_of_a_shell_decides() {
    Case::sh("(exit 9) | exit 6; false; exit").ends_with(1, &[]);
}

/// A config that neither makes a container of.
fn refused(change: impl Fn(Case) -> Case, theirs: &str, ours: &str) {
    change(Case::sh("echo ran")).is_refused(theirs, ours);
}

#[test]
fn missing_parts() {
    refused(|case| case.remove("/root"), "root", "root: is missing");
    refused(|case| case.remove("/process"), "process", "process: is missing");
    refused(|case| case.remove("/process/args"), "args", "process.args: names no program");
    refused(|case| case.set("/process/args", json!([])), "args", "process.args: names no program");
    refused(|case| case.set("/process/args", json!([""])), "level=error", "names no program");
    refused(|case| case.remove("/linux"), "level=error", "linux: is missing");
    refused(|case| case.remove("/process/cwd"), "Cwd", "serde failed");
    refused(|case| case.remove("/root/path"), "level=error", "root.path");
    refused(|case| case.set("/root/path", json!("")), "level=error", "root.path");
}

#[test]
fn a_root_filesystem_that_is_none() {
    refused(|case| case.set("/root/path", json!("nowhere")), "no such file", "can't find the root");
    refused(|case| case.set("/root/path", json!("config.json")), "level=error", "Not a directory");
}

#[test]
fn no_json() {
    for text in ["", "{", "[]", "null", "{\"ociVersion\": 1}", "{\"linux\": \"none\"}"] {
        for which in BOTH {
            let case = Case::sh("echo ran");
            let bundle = case.make();
            fs::write(bundle.join("config.json"), text).unwrap();
            let output = Name::new(which, case.folder()).run(&bundle);
            assert!(!output.status.success(), "{which:?}: {text}");
            assert_eq!(output.stdout, b"", "{which:?}: {text}");
        }
    }
}

#[test]
fn ids_that_are_none() {
    for id in ["", ".", "..", "a/b", "../x", "/abs", "a b", "ü", "a\nb"] {
        for which in BOTH {
            let case = Case::sh("echo ran");
            let bundle = case.make();
            let mut name = Name::new(which, case.folder());
            name.id = id.to_owned();
            let output = name.run(&bundle);
            assert!(!output.status.success(), "{which:?}: {id:?}");
            assert_eq!(output.stdout, b"", "{which:?}: {id:?}");
        }
    }
}

#[test]
fn the_root_filesystem_may_be_anywhere() {
    let case = Case::sh("ls /only-here").with(|rootfs| {
        fs::write(rootfs.join("only-here"), "").unwrap();
        let other = rootfs.parent().unwrap().join("other");
        let _ = fs::remove_file(&other);
        std::os::unix::fs::symlink("rootfs", other).unwrap();
    });
    let absolute = case.path("rootfs");
    let case = case.set("/root/path", json!(absolute));
    case.shows(&["/only-here\n"]);
    case.set("/root/path", json!("./rootfs/../rootfs")).shows(&["/only-here\n"]);
}
