//! Device programs in the real kernel. They need root and a mounted cgroup2.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use oci_spec::runtime::LinuxDeviceCgroup;

use super::program::assemble;
use super::rules::{CHARACTER, Policy, READ, Rule, WRITE};
use super::*;

/// A cgroup of its own that goes with the test.
struct Made(Cgroup);

impl Made {
    fn new(name: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("it is there");
        let root = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find_map(|words| (words.get(2) == Some(&"cgroup2")).then(|| words[1].to_owned()))
            .expect("cgroup2 is mounted");
        let name = format!("{name}-{}", std::process::id());
        Self(Cgroup::make(&PathBuf::from(root), &PathBuf::from(name)).expect("it can be made"))
    }

    fn limit(&self, rules: &str) {
        let rules: Vec<LinuxDeviceCgroup> = serde_json::from_str(rules).expect("they are rules");
        let policy = Policy::new(&rules, &[]).expect("it can be");
        self.0.limit_devices(&policy).expect("the kernel takes it");
    }

    /// What a shell within the cgroup prints.
    fn says(&self, script: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new("sh")
            .args(["-c", &format!("echo $$ > $1/cgroup.procs\n{script}"), "sh"])
            .arg(self.0.folder())
            .current_dir(folder.path())
            .output()
            .expect("there is a shell");
        String::from_utf8_lossy(&output.stdout).trim().replace('\n', " ")
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let removed = self.0.remove();
        if !std::thread::panicking() {
            removed.expect("it can be removed");
        }
    }
}

const TRIES: &str = r#"
    try() { if "$@" 2>/dev/null; then echo yes; else echo no; fi; }
    reads() { head -c 1 "$1" >/dev/null; }
    writes() { true > "$1"; }
    both() { true <> "$1"; }
    mknod kmsg c 1 11
"#;

fn tried(cgroup: &Made, tries: &str) -> String {
    cgroup.says(&format!("{TRIES}{tries}"))
}

#[test]
fn the_kernel_obeys() {
    let cgroup = Made::new("guest-container-devices");
    let tries = "try reads /dev/zero; try reads kmsg; try writes kmsg; try both kmsg
        try mknod disk b 8 0; try reads disk";
    assert_eq!(tried(&cgroup, "try both kmsg"), "yes", "there are no rules yet");
    cgroup.limit("[]");
    assert_eq!(tried(&cgroup, tries), "yes no no no yes no");
    cgroup.limit(r#"[{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]"#);
    assert_eq!(tried(&cgroup, "try both kmsg; try writes kmsg"), "no no");
    // Reading waits for messages, opening does not.
    let opens = "opens() { true < \"$1\"; }\ntry opens kmsg";
    assert_eq!(tried(&cgroup, opens), "yes");
    let other = r#"[{"allow":true,"type":"a","access":"rwm"},
        {"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]"#;
    cgroup.limit(other);
    let all = format!("{opens}; try writes kmsg; try both kmsg");
    assert_eq!(tried(&cgroup, &all), "yes no no");
    cgroup.limit(r#"[{"allow":true,"access":"rwm"}]"#);
    assert_eq!(tried(&cgroup, &all), "yes yes yes");
    cgroup.limit("[]");
    assert_eq!(tried(&cgroup, &all), "no no no");
}

#[test]
fn the_kernel_takes_the_longest_lists() {
    let cgroup = Made::new("guest-container-many-devices");
    let number = |number: usize| u32::try_from(number).expect("it is small");
    for access in [READ, READ | WRITE, 7] {
        let rules = (0..1024 + 11).map(|index| Rule {
            allow: index % 2 == 0,
            kind: Some(CHARACTER),
            major: Some(number(index % 7)),
            minor: Some(number(index)),
            access,
        });
        let policy = Policy::of(rules.collect());
        assert!(assemble(&policy).len() > 4 * 1024);
        cgroup.0.limit_devices(&policy).expect("the kernel takes it");
    }
    let mixed = (0..1024 + 11).map(|index| Rule {
        allow: index % 3 == 0,
        kind: (index % 5 != 0).then_some(CHARACTER),
        major: (index % 2 == 0).then(|| number(index)),
        minor: Some(number(index)),
        access: u8::try_from(index % 7 + 1).expect("it is small"),
    });
    cgroup.0.limit_devices(&Policy::of(mixed.collect())).expect("the kernel takes it");
}
