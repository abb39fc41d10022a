//! Kernel parameters, host name and domain name.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::runtimes::Which;

#[test]
fn of_own_namespaces() {
    let script = "cd /proc/sys; for f in net/ipv4/ip_forward net/core/somaxconn kernel/shmmax \
        kernel/sem kernel/msgmax kernel/shm_rmid_forced fs/mqueue/msg_max \
        net/ipv4/ping_group_range kernel/domainname; do cat $f; done";
    let before = fs::read_to_string("/proc/sys/kernel/shmmax").unwrap();
    Case::sh(script)
        .set(
            "/linux/sysctl",
            json!({
                "net.ipv4.ip_forward": "1",
                "net/core/somaxconn": "77",
                "kernel.shmmax": "123456",
                "kernel.sem": "32001 1024000001 501 32001",
                "kernel.msgmax": "8193",
                "kernel.shm_rmid_forced": "1",
                "fs.mqueue.msg_max": "11",
                "net.ipv4.ping_group_range": "0 2147483647",
                "kernel.domainname": "example.org"
            }),
        )
        .shows(&["1\n77\n123456\n32001\t1024000001\t501\t32001\n8193\n1\n11\n", "example.org\n"]);
    assert_eq!(fs::read_to_string("/proc/sys/kernel/shmmax").unwrap(), before, "the host's");
}

#[test]
fn names_with_dots_in_parts() {
    let script = "cat /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/net/ipv4/conf/all/rp_filter";
    Case::sh(script)
        .set(
            "/linux/sysctl",
            json!({"net/ipv4/conf/lo/forwarding": "1", "net.ipv4.conf.all.rp_filter": "2"}),
        )
        .shows(&["1\n2\n"]);
}

#[test]
fn of_others_are_refused() {
    let case = |name: &str| Case::sh("echo ran").set("/linux/sysctl", json!({name: "1"}));
    for name in ["kernel.panic", "vm.swappiness", "fs.file-max"] {
        case(name).is_refused("is not in a separate kernel namespace", "belongs to no namespace");
    }
    case("kernel.hostname").is_refused("conflicts with", "is set by the key hostname");
    case("net.ipv4.no_such_thing").is_refused("no such file", "can't set the kernel parameter");
    case("net/../kernel/panic").is_refused("level=error", "is no parameter's name");
    let namespaces = json!([{"type": "mount"}, {"type": "pid"}, {"type": "network"}]);
    for name in ["kernel.shmmax", "fs.mqueue.msg_max"] {
        let case = case(name).remove("/hostname").set("/linux/namespaces", namespaces.clone());
        case.is_refused("not allowed in the hosts ipc namespace", "needs a ipc namespace");
    }
}

#[test]
fn of_the_hosts_network() {
    // A pod's network is its containers' own in the guest, so we allow what runc does
    // not; the agent decides by `Options::network_is_the_pods`.
    let namespaces = json!([{"type": "mount"}, {"type": "pid"}]);
    let case = Case::sh("echo ran")
        .remove("/hostname")
        .set("/linux/namespaces", namespaces)
        .set("/linux/sysctl", json!({"net.ipv4.no_such_thing": "1"}));
    case.is_refused("not allowed in host network namespace", "can't set the kernel parameter");
}

#[test]
fn a_value_that_can_not_be_fails_both() {
    let case =
        Case::sh("echo ran").set("/linux/sysctl", json!({"net.ipv4.ip_forward": "nonsense"}));
    case.is_refused("invalid argument", "can't set the kernel parameter net.ipv4.ip_forward");
}

#[test]
fn the_host_name() {
    Case::sh("hostname; uname -n; cat /proc/sys/kernel/hostname")
        .shows(&["oracle\noracle\noracle\n"]);
    let longest = "x".repeat(64);
    Case::sh("hostname").set("/hostname", json!(longest)).shows(&[&longest]);
    let case = Case::sh("echo ran").set("/hostname", json!("x".repeat(65)));
    case.is_refused("level=error", "longer than the kernel's 64 bytes");
    // Without one the new namespace has the host's.
    let host = nix::unistd::gethostname().unwrap();
    Case::sh("hostname").remove("/hostname").shows(&[host.to_str().unwrap()]);
}

#[test]
fn the_domain_name() {
    // This runc's spec has none; the spec's later version does.
    let case = Case::sh("cat /proc/sys/kernel/domainname").set("/domainname", json!("example.org"));
    assert_eq!(case.run(Which::Ours).output, "example.org\n");
}
