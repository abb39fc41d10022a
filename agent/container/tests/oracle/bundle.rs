//! A bundle: a folder with a small root filesystem of busybox and a config like the one
//! that `runc spec` writes. Knows no runtime.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

/// Debian's static busybox: the one program of the root filesystem.
const BUSYBOX: &str = "/usr/bin/busybox";

/// Names of busybox's programs.
fn applets() -> &'static [String] {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    APPLETS.get_or_init(|| {
        let listed = Command::new(BUSYBOX).arg("--list").output().expect("busybox is there");
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.lines().filter(|name| *name != "busybox").map(str::to_owned).collect()
    })
}

/// Makes a new root filesystem in place of an old one.
pub fn make_rootfs(rootfs: &Path) {
    if rootfs.exists() {
        fs::remove_dir_all(rootfs).expect("the old root filesystem goes");
    }
    for folder in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "home/web", "work"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    chmod(&rootfs.join("tmp"), 0o1777);
    fs::copy(BUSYBOX, rootfs.join("bin/busybox")).expect("busybox is copied");
    for applet in applets() {
        symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/home/web:/bin/sh\n";
    fs::write(rootfs.join("etc/passwd"), passwd).unwrap();
    fs::write(rootfs.join("etc/group"), "root:x:0:\nwww:x:34:\naudio:x:29:web\n").unwrap();
}

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives a tree to a user and a group of the same number.
pub fn give(path: &Path, owner: u32) {
    std::os::unix::fs::lchown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), owner);
        }
    }
}

/// The config, whose program is a shell's script. There is no mount of cgroups in it:
/// the host's hierarchies are of another kind than ours.
pub fn config(script: &str) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", format!("exec 2>&1; {script}")],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "ambient": capabilities
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "oracle",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
                    "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "mount"}
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"
            ]
        }
    })
}

/// Sets what a JSON pointer means; its parent must be there.
pub fn set(config: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("it is a pointer");
    match config.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}")) {
        Value::Object(parent) => drop(parent.insert(key.to_owned(), value)),
        Value::Array(parent) if key == "-" => parent.push(value),
        Value::Array(parent) => parent[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{parent} holds nothing"),
    }
}

/// Takes away what a JSON pointer means.
pub fn remove(config: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("it is a pointer");
    let gone = match config.pointer_mut(parent) {
        Some(Value::Object(parent)) => parent.remove(key),
        Some(Value::Array(parent)) => Some(parent.remove(key.parse().unwrap())),
        _ => None,
    };
    assert!(gone.is_some(), "there is no {pointer}");
}

/// Where the root filesystem of a bundle is.
pub fn rootfs_of(bundle: &Path) -> PathBuf {
    bundle.join("rootfs")
}
