//! A Debian image for another architecture than this one's: nothing of it is
//! run while it is built, so nothing has to be emulated.

#[path = "../fixture/agent.rs"]
mod agent;

use crate::checkout::xtask;
use agent::{AARCH64, X86_64, program};
use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn a_debian_image_is_built_for_another_machine() {
    let (foreign, machine, own) = match std::env::consts::ARCH {
        "aarch64" => ("x86_64", X86_64, AARCH64),
        _ => ("aarch64", AARCH64, X86_64),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (theirs, ours, out) = (path("theirs"), path("ours"), path("out"));
    fs::write(&theirs, program(machine)).unwrap();
    fs::write(&ours, program(own)).unwrap();
    let build = |agent: &str| {
        let words = ["--json", "build-image", "--distro", "debian", "--arch", foreign];
        xtask(&[&words[..], &["--agent", agent, "--out", &out]].concat())
    };
    // This machine's own agent is of no use there, and is not taken.
    let refused = build(&ours);
    assert_eq!(refused.status, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains(&format!("but the guest is {foreign}")), "{refused:#?}");

    let built = build(&theirs).succeeded().json();
    let manifest = fs::read(built["manifest"].as_str().unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["architecture"], foreign);
    assert_eq!(manifest["agent-version"], "external");
    let image = format!("{}?offset={}", built["artifact"].as_str().unwrap(), 3 << 20);
    let tool = |program: &str, words: &[&str]| {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        let output = Command::new(program).args(words).env("PATH", path).output();
        output.unwrap_or_else(|error| panic!("{program}: {error}; run cargo xtask setup ci"))
    };
    let checked = tool("e2fsck", &["-f", "-n", &image]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let agent = tool("debugfs", &["-R", "cat /usr/bin/kata-agent", &image]);
    assert_eq!(agent.stdout, program(machine));
    // A program of the distro's is for that machine too.
    let shell = tool("debugfs", &["-R", "cat /usr/bin/dash", &image]).stdout;
    assert_eq!(shell[18..20], machine.to_le_bytes());
}
