//! Which namespaces are the container's own, and which it joins.

use std::fs::{self, read_link};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::case::Case;
use crate::runtimes::Which;

const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Prints each namespace; the host's are called so, and joined ones by their names.
fn namespaces(joined: &[(&'static str, u32)]) -> Case {
    let mut names: Vec<(String, String)> = Vec::new();
    for (kind, pid) in joined {
        let link = read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        names.push((link.to_str().unwrap().to_owned(), format!("joined {kind}")));
    }
    for kind in KINDS {
        let link = read_link(format!("/proc/self/ns/{kind}")).unwrap();
        names.push((link.to_str().unwrap().to_owned(), format!("host's {kind}")));
    }
    Case::sh("cd /proc/self/ns; for n in *; do echo $n: $(readlink $n); done").normal(move |text| {
        let line = |line: &str| {
            let (name, link) = line.split_once(": ").unwrap_or((line, ""));
            let known = names.iter().find(|(known, _)| known == link);
            let meant = known.map_or("own", |(_, meant)| meant);
            format!("{name}: {meant}\n")
        };
        text.lines().map(line).collect()
    })
}

fn list(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({"type": kind})).collect()
}

#[test]
fn the_default_ones() {
    namespaces(&[]).shows(&[
        "cgroup: host's cgroup\nipc: own\nmnt: own\nnet: own\npid: own\n",
        "user: host's user\nuts: own\n",
    ]);
}

#[test]
fn the_mount_namespace_alone() {
    namespaces(&[])
        .remove("/hostname")
        .set("/linux/namespaces", list(&["mount"]))
        .shows(&["mnt: own\nnet: host's net\npid: host's pid\n"]);
}

#[test]
fn one_of_cgroups() {
    namespaces(&[])
        .set("/linux/namespaces", list(&["mount", "pid", "cgroup", "uts"]))
        .shows(&["cgroup: own\nipc: host's ipc\n"]);
}

#[test]
fn one_of_clocks() {
    // This runc knows none; the spec's later version does.
    let case = Case::sh("cat /proc/self/timens_offsets; readlink /proc/self/ns/time")
        .set("/linux/namespaces/-", json!({"type": "time"}))
        .set(
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 1000, "nanosecs": 5},
            "boottime": {"secs": 86400}}),
        );
    let ours = case.run(Which::Ours);
    assert!(ours.output.contains("monotonic        1000         5\n"), "{ours:?}");
    assert!(ours.output.contains("boottime        86400         0\n"), "{ours:?}");
    let host = read_link("/proc/self/ns/time").unwrap();
    assert!(!ours.output.contains(host.to_str().unwrap()), "{ours:?}");
}

#[test]
fn without_one_of_mounts_there_is_no_container() {
    let case = Case::sh("echo ran").set("/linux/namespaces", list(&["pid", "uts"]));
    case.is_refused("private MNT namespace", "no mount namespace");
}

#[test]
fn a_name_needs_its_namespace() {
    let case = Case::sh("echo ran").set("/linux/namespaces", list(&["mount", "pid"]));
    case.is_refused("hostname", "hostname: needs a uts namespace");
}

#[test]
fn none_may_be_there_twice() {
    let case = Case::sh("echo ran").set("/linux/namespaces/-", json!({"type": "pid"}));
    case.is_refused("malformed spec file: duplicated ns", "pid is there twice");
}

#[test]
fn an_unknown_kind_fails_both() {
    let case = Case::sh("echo ran").set("/linux/namespaces/-", json!({"type": "dream"}));
    case.is_refused("does not exist", "serde failed");
}

/// A process that holds namespaces of its own.
struct Holder(Child);

impl Holder {
    fn new(options: &[&str]) -> Self {
        let mut command = Command::new("/usr/bin/busybox");
        command.arg("unshare").args(options).args(["sh", "-c", "echo ready; read x"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("busybox is there");
        let mut line = [0; 6];
        let mut output = child.stdout.take().expect("it is piped");
        std::io::Read::read_exact(&mut output, &mut line).expect("it gets ready");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// A process in its pid namespace: its only child.
    fn inner(&self) -> u32 {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.trim().parse().expect("it has one child")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn others_are_joined_by_path() {
    let holder = Holder::new(&["-n", "-i", "-u"]);
    let pid = holder.pid();
    let joined = [("net", pid), ("ipc", pid), ("uts", pid)];
    let at =
        |kind: &str, file: &str| json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")});
    namespaces(&joined)
        .remove("/hostname")
        .set(
            "/linux/namespaces",
            json!([at("network", "net"), at("ipc", "ipc"), at("uts", "uts"), {"type": "mount"},
                {"type": "pid"}]),
        )
        .shows(&["ipc: joined ipc\n", "net: joined net\n", "uts: joined uts\n", "pid: own\n"]);
}

#[test]
fn a_pid_namespace_is_joined() {
    let holder = Holder::new(&["-p", "-f"]);
    let pid = holder.inner();
    let path = format!("/proc/{pid}/ns/pid");
    let case = namespaces(&[("pid", pid)]);
    case.set("/linux/namespaces/0", json!({"type": "pid", "path": path}))
        .shows(&["pid: joined pid\npid_for_children: joined pid\n"]);
    let case = Case::sh("test $$ -gt 1 && cat /proc/1/comm");
    case.set("/linux/namespaces/0", json!({"type": "pid", "path": path})).shows(&["sh\n"]);
}

#[test]
fn a_missing_one_can_not_be_joined() {
    let path = json!({"type": "network", "path": "/nowhere/net"});
    let case = Case::sh("echo ran").set("/linux/namespaces/1", path);
    case.is_refused("lstat /nowhere/net: no such file", "No such file");
    let path = json!({"type": "network", "path": "/proc/self/ns/uts"});
    let case = Case::sh("echo ran").set("/linux/namespaces/1", path);
    case.is_refused("level=error", "can't join the net namespace");
}

#[test]
fn a_new_network_has_its_loopback_up() {
    Case::sh("ip -o addr; cat /proc/net/dev | wc -l; ping -c1 -W5 127.0.0.1 | grep -c '1 packets received'")
        .capable(&["CAP_NET_RAW", "CAP_SETUID"])
        .normal(|text| text.replace("valid_lft forever preferred_lft forever", ""))
        .shows(&["inet 127.0.0.1/8 scope host lo"]);
}

#[test]
fn the_first_process_is_number_1() {
    Case::sh("echo $$ $PPID; ls -d /proc/[0-9]* > /dev/null; cat /proc/1/comm; true")
        .shows(&["1 0\n", "sh\n"]);
}
