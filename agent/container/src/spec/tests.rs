//! Specs with missing, doubled and impossible parts.

use oci_spec::runtime::Spec;
use serde_json::{Value, json};

use super::*;

/// A spec that can be.
fn good() -> Value {
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["x"], "user": {"uid": 0, "gid": 0}},
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
    })
}

/// What is wrong with the good spec when the value at `place` is another.
fn with(place: &str, value: Value) -> Result<(), String> {
    let mut spec = good();
    let (parent, key) = place.rsplit_once('/').expect("it is a pointer");
    let parent = spec.pointer_mut(parent).expect("it is there").as_object_mut().expect("an object");
    match value {
        Value::Null => drop(parent.remove(key)),
        value => drop(parent.insert(key.to_owned(), value)),
    }
    let spec: Spec = serde_json::from_value(spec).map_err(|error| format!("serde: {error}"))?;
    let surroundings = Surroundings { network_is_the_pods: false };
    check(&spec, surroundings).map_err(|error| error.to_string())
}

#[test]
fn the_good_one_passes() {
    assert_eq!(with("/linux/rootfsPropagation", json!("rprivate")), Ok(()));
    assert_eq!(with("/annotations", json!({"a": "b"})), Ok(()));
}

#[test]
fn missing_parts_are_named() {
    for (place, expected) in [
        ("/root", "the spec's root: is missing"),
        ("/process", "the spec's process: is missing"),
        ("/linux", "the spec's linux: is missing"),
        ("/process/args", "the spec's process.args: names no program"),
    ] {
        assert_eq!(with(place, Value::Null), Err(expected.to_owned()));
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let mount = |mount: Value| json!([mount]);
    let long = vec!["/x"; MOST_ENTRIES + 1];
    let namespaces = |list: &[&str]| {
        list.iter().chain(&["mount"]).map(|kind| json!({"type": kind})).collect::<Vec<_>>()
    };
    let cases = [
        ("/process/args", json!(["a\0b"])),
        ("/process/args", json!([""])),
        ("/process/env", json!(["NOVALUE"])),
        ("/process/cwd", json!("relative")),
        ("/process/oomScoreAdj", json!(1001)),
        ("/process/user", json!({"uid": 0, "gid": 0, "umask": 0o1000})),
        ("/process/rlimits", json!([{"type": "RLIMIT_CORE", "hard": 1, "soft": 2}])),
        ("/process/scheduler", json!({"policy": "SCHED_FIFO"})),
        ("/root/path", json!("")),
        ("/linux/namespaces", json!([{"type": "pid"}])),
        ("/linux/namespaces", json!(namespaces(&["pid", "pid"]))),
        ("/linux/namespaces", json!(namespaces(&["user"]))),
        ("/linux/namespaces", json!([{"type": "mount", "path": "/proc/1/ns/mnt"}])),
        ("/linux/namespaces", json!([{"type": "mount"}, {"type": "ipc", "path": "ns"}])),
        ("/linux/uidMappings", json!([{"hostID": 0, "containerID": 0, "size": 1}])),
        ("/linux/maskedPaths", json!(["relative"])),
        ("/linux/maskedPaths", json!(long)),
        ("/linux/rootfsPropagation", json!("everywhere")),
        ("/linux/sysctl", json!({"kernel.panic": "1"})),
        ("/linux/sysctl", json!({"net.core.somaxconn": "1"})),
        ("/linux/timeOffsets", json!({"monotonic": {"secs": 1}})),
        ("/linux/devices", json!([{"path": "/dev/x", "type": "c", "major": -1, "minor": 0}])),
        ("/linux/resources", json!({"memory": {"limit": -5}})),
        ("/linux/intelRdt", json!({"closID": "x"})),
        ("/hostname", json!("h")),
        ("/hooks", json!({"poststop": [{"path": "relative"}]})),
        ("/hooks", json!({"poststop": [{"path": "/x", "timeout": 0}]})),
        ("/mounts", mount(json!({"destination": "", "type": "tmpfs"}))),
        ("/mounts", mount(json!({"destination": "/x"}))),
        ("/mounts", mount(json!({"destination": "/x", "options": ["bind"]}))),
        ("/mounts", mount(json!({"destination": "/x", "type": "tmpfs", "options": ["idmap"]}))),
        ("/mounts", mount(json!({"destination": "/x\0", "type": "tmpfs"}))),
    ];
    for (place, value) in cases {
        let shown = format!("{place} {value}");
        let error = with(place, value).expect_err(&shown);
        assert!(!error.starts_with("serde"), "{shown}: {error}");
    }
}

#[test]
fn values_of_the_environment_are_not_repeated() {
    let error = with("/process/env", json!(["=secret"])).expect_err("it has no name");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn the_fuzz_entry_takes_anything() {
    fuzz_spec(b"");
    fuzz_spec(b"{\"linux\":[]}");
    fuzz_spec(good().to_string().as_bytes());
    fuzz_spec(&vec![b'['; 2 << 20]);
}
