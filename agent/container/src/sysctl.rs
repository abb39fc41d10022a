//! Kernel parameters that a container may set: only those that its own namespaces
//! hold, by runc's list, so that none reaches the rest of the guest.

use std::path::PathBuf;

use oci_spec::runtime::LinuxNamespaceType;

/// What System V and POSIX message queues, semaphores and shared memory have.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Checks that a parameter belongs to a namespace of the container. Parts of a name
/// are separated by dots, or by slashes when a part holds a dot itself.
pub(crate) fn check(
    name: &str,
    has: impl Fn(LinuxNamespaceType) -> bool,
    network_is_the_pods: bool,
) -> Result<(), String> {
    let dotted = dotted(name);
    let parts: Vec<&str> = dotted.split('.').collect();
    // A part of slashes alone would become a part of dots alone, and leave the folder.
    let empty = |part: &&str| part.bytes().all(|byte| byte == b'/');
    if parts.iter().any(empty) || name.contains('\0') || name.contains("..") {
        return Err(format!("{name:?} is no parameter's name"));
    }
    let (kind, word) = match dotted.as_str() {
        one if IPC.contains(&one) || one.starts_with("fs.mqueue.") => {
            (LinuxNamespaceType::Ipc, "ipc")
        }
        one if one.starts_with("net.") => (LinuxNamespaceType::Network, "network"),
        "kernel.domainname" => (LinuxNamespaceType::Uts, "uts"),
        "kernel.hostname" => return Err(format!("{name} is set by the key hostname")),
        _ => return Err(format!("{name} belongs to no namespace of the container")),
    };
    if has(kind) || (kind == LinuxNamespaceType::Network && network_is_the_pods) {
        return Ok(());
    }
    Err(format!("{name} needs a {word} namespace"))
}

/// A name with slashes, as in `net/ipv4/conf/eth0.1/forwarding`, in dots: there the
/// dots of a part become slashes, as sysctl(8) has it.
fn dotted(name: &str) -> String {
    let first = name.find(['.', '/']).and_then(|at| name.as_bytes().get(at));
    if first == Some(&b'/') {
        name.chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect()
    } else {
        name.to_owned()
    }
}

/// The parameter's file below /proc/sys. `name` has passed [`check`].
pub(crate) fn file(name: &str) -> PathBuf {
    // A slash within a dotted part stands for a dot of that part.
    dotted(name).split('.').map(|part| part.replace('/', ".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_own_namespaces_pass() {
        use LinuxNamespaceType::{Ipc, Network, Uts};
        let all = |kind| [Ipc, Network, Uts].contains(&kind);
        let none = |_| false;
        for name in ["kernel.shmmax", "fs.mqueue.msg_max", "net.core.somaxconn", "net/core/x"] {
            assert_eq!(check(name, all, false), Ok(()), "{name}");
            assert!(check(name, none, false).is_err(), "{name}");
        }
        assert_eq!(check("net.core.somaxconn", none, true), Ok(()));
        for name in ["kernel.hostname", "kernel.panic", "vm.swappiness", "", "net.", "net.a..b"] {
            assert!(check(name, all, true).is_err(), "{name}");
        }
        for name in ["net/../kernel/panic", "net.x/../../kernel", "net/./x", "net.//.x", "net.a\0"]
        {
            assert!(check(name, all, true).is_err(), "{name}");
        }
    }

    #[test]
    fn files_keep_the_dots_of_a_link() {
        assert_eq!(file("net.ipv4.ip_forward"), PathBuf::from("net/ipv4/ip_forward"));
        let link = PathBuf::from("net/ipv4/conf/eth0.1/forwarding");
        assert_eq!(file("net/ipv4/conf/eth0.1/forwarding"), link);
        assert_eq!(file("net.ipv4.conf.eth0/1.forwarding"), link);
    }
}
