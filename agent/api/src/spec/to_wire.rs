//! From OCI's types to the messages of the protocol. What the protocol has no field
//! for is left behind: `unified` limits, time offsets, personalities and their like.

use std::collections::HashMap;

use oci_spec::runtime;
use protobuf::MessageField;
use serde::Serialize;
use serde_json::Value;

use crate::oci;

/// The whole spec.
#[must_use]
pub fn spec_to_wire(spec: &runtime::Spec) -> oci::Spec {
    let value = json(spec);
    let all = At(&value);
    oci::Spec {
        Version: all.text("ociVersion"),
        Process: all.message("process", process),
        Root: all.message("root", |root| oci::Root {
            Path: root.text("path"),
            Readonly: root.flag("readonly"),
            ..Default::default()
        }),
        Hostname: all.text("hostname"),
        Mounts: all.list("mounts", |mount| oci::Mount {
            destination: mount.text("destination"),
            source: mount.text("source"),
            type_: mount.text("type"),
            options: mount.texts("options"),
            ..Default::default()
        }),
        Hooks: all.message("hooks", |hooks| oci::Hooks {
            Prestart: hooks.list("prestart", hook),
            Poststart: hooks.list("poststart", hook),
            Poststop: hooks.list("poststop", hook),
            CreateRuntime: hooks.list("createRuntime", hook),
            CreateContainer: hooks.list("createContainer", hook),
            StartContainer: hooks.list("startContainer", hook),
            ..Default::default()
        }),
        Annotations: all.map("annotations"),
        Linux: all.message("linux", linux),
        ..Default::default()
    }
}

/// A process alone, as `ExecProcess` takes it.
#[must_use]
pub fn process_to_wire(process: &runtime::Process) -> oci::Process {
    self::process(At(&json(process)))
}

/// Limits alone, as `UpdateContainer` takes them.
#[must_use]
pub fn resources_to_wire(resources: &runtime::LinuxResources) -> oci::LinuxResources {
    self::resources(At(&json(resources)))
}

fn json(value: &impl Serialize) -> Value {
    // OCI's types are plain data with texts as keys.
    serde_json::to_value(value).unwrap_or_default()
}

fn process(process: At<'_>) -> oci::Process {
    oci::Process {
        Terminal: process.flag("terminal"),
        ConsoleSize: process.message("consoleSize", |size| oci::Box {
            Height: size.small("height"),
            Width: size.small("width"),
            ..Default::default()
        }),
        User: process.message("user", |user| oci::User {
            UID: user.small("uid"),
            GID: user.small("gid"),
            AdditionalGids: user.list("additionalGids", At::as_small),
            Username: user.text("username"),
            ..Default::default()
        }),
        Args: process.texts("args"),
        Env: process.texts("env"),
        Cwd: process.text("cwd"),
        Capabilities: process.message("capabilities", |sets| oci::LinuxCapabilities {
            Bounding: sets.texts("bounding"),
            Effective: sets.texts("effective"),
            Inheritable: sets.texts("inheritable"),
            Permitted: sets.texts("permitted"),
            Ambient: sets.texts("ambient"),
            ..Default::default()
        }),
        Rlimits: process.list("rlimits", |limit| oci::POSIXRlimit {
            Type: limit.text("type"),
            Hard: limit.unsigned("hard"),
            Soft: limit.unsigned("soft"),
            ..Default::default()
        }),
        NoNewPrivileges: process.flag("noNewPrivileges"),
        ApparmorProfile: process.text("apparmorProfile"),
        OOMScoreAdj: process.signed("oomScoreAdj"),
        SelinuxLabel: process.text("selinuxLabel"),
        ..Default::default()
    }
}

fn hook(hook: At<'_>) -> oci::Hook {
    oci::Hook {
        Path: hook.text("path"),
        Args: hook.texts("args"),
        Env: hook.texts("env"),
        Timeout: hook.signed("timeout"),
        ..Default::default()
    }
}

fn linux(linux: At<'_>) -> oci::Linux {
    let mapping = |mapping: At<'_>| oci::LinuxIDMapping {
        HostID: mapping.small("hostID"),
        ContainerID: mapping.small("containerID"),
        Size: mapping.small("size"),
        ..Default::default()
    };
    oci::Linux {
        UIDMappings: linux.list("uidMappings", mapping),
        GIDMappings: linux.list("gidMappings", mapping),
        Sysctl: linux.map("sysctl"),
        Resources: linux.message("resources", resources),
        CgroupsPath: linux.text("cgroupsPath"),
        Namespaces: linux.list("namespaces", |namespace| oci::LinuxNamespace {
            Type: namespace.text("type"),
            Path: namespace.text("path"),
            ..Default::default()
        }),
        Devices: linux.list("devices", |device| oci::LinuxDevice {
            Path: device.text("path"),
            Type: device.text("type"),
            Major: device.signed("major"),
            Minor: device.signed("minor"),
            FileMode: device.small("fileMode"),
            UID: device.small("uid"),
            GID: device.small("gid"),
            ..Default::default()
        }),
        Seccomp: linux.message("seccomp", seccomp),
        RootfsPropagation: linux.text("rootfsPropagation"),
        MaskedPaths: linux.texts("maskedPaths"),
        ReadonlyPaths: linux.texts("readonlyPaths"),
        MountLabel: linux.text("mountLabel"),
        ..Default::default()
    }
}

fn seccomp(filter: At<'_>) -> oci::LinuxSeccomp {
    oci::LinuxSeccomp {
        DefaultAction: filter.text("defaultAction"),
        Architectures: filter.texts("architectures"),
        Flags: filter.texts("flags"),
        Syscalls: filter.list("syscalls", |rule| {
            let mut syscall = oci::LinuxSyscall {
                Names: rule.texts("names"),
                Action: rule.text("action"),
                Args: rule.list("args", |argument| oci::LinuxSeccompArg {
                    Index: argument.unsigned("index"),
                    Value: argument.unsigned("value"),
                    ValueTwo: argument.unsigned("valueTwo"),
                    Op: argument.text("op"),
                    ..Default::default()
                }),
                ..Default::default()
            };
            if !rule.at("errnoRet").0.is_null() {
                syscall.set_errnoret(rule.small("errnoRet"));
            }
            syscall
        }),
        ..Default::default()
    }
}

fn resources(resources: At<'_>) -> oci::LinuxResources {
    oci::LinuxResources {
        Devices: resources.list("devices", |rule| oci::LinuxDeviceCgroup {
            Allow: rule.flag("allow"),
            Type: rule.text("type"),
            // Any number, where none is said.
            Major: rule.signed_or("major", -1),
            Minor: rule.signed_or("minor", -1),
            Access: rule.text("access"),
            ..Default::default()
        }),
        Memory: resources.message("memory", |limits| oci::LinuxMemory {
            Limit: limits.signed("limit"),
            Reservation: limits.signed("reservation"),
            Swap: limits.signed("swap"),
            Kernel: limits.signed("kernel"),
            KernelTCP: limits.signed("kernelTCP"),
            Swappiness: limits.unsigned("swappiness"),
            DisableOOMKiller: limits.flag("disableOOMKiller"),
            ..Default::default()
        }),
        CPU: resources.message("cpu", |limits| oci::LinuxCPU {
            Shares: limits.unsigned("shares"),
            Quota: limits.signed("quota"),
            Period: limits.unsigned("period"),
            RealtimeRuntime: limits.signed("realtimeRuntime"),
            RealtimePeriod: limits.unsigned("realtimePeriod"),
            Cpus: limits.text("cpus"),
            Mems: limits.text("mems"),
            ..Default::default()
        }),
        Pids: resources.message("pids", |limits| oci::LinuxPids {
            Limit: limits.signed("limit"),
            ..Default::default()
        }),
        BlockIO: resources.message("blockIO", block_io),
        HugepageLimits: resources.list("hugepageLimits", |limit| oci::LinuxHugepageLimit {
            Pagesize: limit.text("pageSize"),
            Limit: limit.unsigned("limit"),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn block_io(limits: At<'_>) -> oci::LinuxBlockIO {
    let throttle = |device: At<'_>| oci::LinuxThrottleDevice {
        Major: device.signed("major"),
        Minor: device.signed("minor"),
        Rate: device.unsigned("rate"),
        ..Default::default()
    };
    oci::LinuxBlockIO {
        Weight: limits.small("weight"),
        LeafWeight: limits.small("leafWeight"),
        WeightDevice: limits.list("weightDevice", |device| oci::LinuxWeightDevice {
            Major: device.signed("major"),
            Minor: device.signed("minor"),
            Weight: device.small("weight"),
            LeafWeight: device.small("leafWeight"),
            ..Default::default()
        }),
        ThrottleReadBpsDevice: limits.list("throttleReadBpsDevice", throttle),
        ThrottleWriteBpsDevice: limits.list("throttleWriteBpsDevice", throttle),
        ThrottleReadIOPSDevice: limits.list("throttleReadIOPSDevice", throttle),
        ThrottleWriteIOPSDevice: limits.list("throttleWriteIOPSDevice", throttle),
        ..Default::default()
    }
}

/// A place in a document; what is not there is null.
#[derive(Clone, Copy)]
struct At<'a>(&'a Value);

impl<'a> At<'a> {
    fn at(self, key: &str) -> Self {
        Self(self.0.get(key).unwrap_or(&Value::Null))
    }

    fn text(self, key: &str) -> String {
        self.at(key).0.as_str().unwrap_or_default().to_owned()
    }

    fn texts(self, key: &str) -> Vec<String> {
        self.list(key, |text| text.0.as_str().unwrap_or_default().to_owned())
    }

    fn flag(self, key: &str) -> bool {
        self.at(key).0.as_bool().unwrap_or_default()
    }

    fn unsigned(self, key: &str) -> u64 {
        let value = self.at(key).0;
        // Limits of huge pages are signed in OCI.
        value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned)).unwrap_or_default()
    }

    fn signed(self, key: &str) -> i64 {
        self.signed_or(key, 0)
    }

    fn signed_or(self, key: &str, otherwise: i64) -> i64 {
        self.at(key).0.as_i64().unwrap_or(otherwise)
    }

    fn small(self, key: &str) -> u32 {
        self.at(key).as_small()
    }

    fn as_small(self) -> u32 {
        self.0.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
    }

    fn list<T>(self, key: &str, read: impl Fn(Self) -> T) -> Vec<T> {
        self.at(key).0.as_array().into_iter().flatten().map(|one| read(Self(one))).collect()
    }

    fn map(self, key: &str) -> HashMap<String, String> {
        let entries = self.at(key).0.as_object().into_iter().flatten();
        entries
            .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    fn message<T>(self, key: &str, read: impl Fn(Self) -> T) -> MessageField<T> {
        let inner = self.at(key);
        if inner.0.is_null() { MessageField::none() } else { MessageField::some(read(inner)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec;

    /// Everything that both sides have a word for, with a value that is not the
    /// usual one.
    fn full() -> Value {
        let throttle = json!([{"major": 8, "minor": 1, "rate": 1 << 20}]);
        json!({
            "ociVersion": "1.0.2",
            "hostname": "pod",
            "process": {
                "terminal": true,
                "consoleSize": {"height": 24, "width": 80},
                "user": {"uid": 1, "gid": 2, "additionalGids": [3, 4], "username": "u"},
                "args": ["sh", "-c", ""],
                "env": ["A=b"],
                "cwd": "/w",
                "capabilities": {
                    "bounding": ["CAP_CHOWN"],
                    "effective": ["CAP_KILL"],
                    "inheritable": ["CAP_CHOWN"],
                    "permitted": ["CAP_KILL"],
                    "ambient": ["CAP_KILL"],
                },
                "rlimits": [{"type": "RLIMIT_CORE", "hard": 5, "soft": 4}],
                "noNewPrivileges": true,
                "apparmorProfile": "a",
                "oomScoreAdj": -5,
                "selinuxLabel": "s",
            },
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["ro"]},
            ],
            "hooks": {
                "prestart": [{"path": "/a", "args": ["a", "b"], "env": ["C=d"], "timeout": 3}],
                "createRuntime": [{"path": "/b"}],
                "createContainer": [{"path": "/c"}],
                "startContainer": [{"path": "/d"}],
                "poststart": [{"path": "/e"}],
                "poststop": [{"path": "/f"}],
            },
            "annotations": {"a.b": "c"},
            "linux": {
                "uidMappings": [{"hostID": 1000, "containerID": 0, "size": 10}],
                "gidMappings": [{"hostID": 2000, "containerID": 1, "size": 20}],
                "sysctl": {"net.ipv4.ip_forward": "1"},
                "cgroupsPath": "/kubepods/x",
                "namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}],
                "devices": [{
                    "path": "/dev/x", "type": "b", "major": 7, "minor": 0,
                    "fileMode": 0o640, "uid": 1, "gid": 2,
                }],
                "seccomp": {
                    "defaultAction": "SCMP_ACT_ERRNO",
                    "architectures": ["SCMP_ARCH_X86_64"],
                    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                    "syscalls": [{
                        "names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 0,
                        "args": [{"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_EQ"}],
                    }],
                },
                "rootfsPropagation": "slave",
                "maskedPaths": ["/proc/kcore"],
                "readonlyPaths": ["/proc/sys"],
                "mountLabel": "m",
                "resources": {
                    "devices": [
                        {"allow": false, "type": "a", "access": "rwm"},
                        {"allow": true, "type": "c", "major": 1, "access": "r"},
                        {"allow": true, "type": "c", "major": 5, "minor": 0, "access": "rw"},
                    ],
                    "memory": {
                        "limit": -1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5,
                        "swappiness": 6, "disableOOMKiller": true,
                    },
                    "cpu": {
                        "shares": 1, "quota": -1, "period": 3, "realtimeRuntime": 4,
                        "realtimePeriod": 5, "cpus": "0-1", "mems": "0",
                    },
                    "pids": {"limit": -1},
                    "blockIO": {
                        "weight": 100, "leafWeight": 200,
                        "weightDevice": [
                            {"major": 8, "minor": 0, "weight": 300, "leafWeight": 400},
                        ],
                        "throttleReadBpsDevice": throttle,
                        "throttleWriteBpsDevice": throttle,
                        "throttleReadIOPSDevice": throttle,
                        "throttleWriteIOPSDevice": throttle,
                    },
                    "hugepageLimits": [{"pageSize": "2MB", "limit": 1 << 30}],
                },
            },
        })
    }

    #[test]
    fn what_goes_over_the_wire_comes_out_the_same() {
        let typed: runtime::Spec = serde_json::from_value(full()).unwrap();
        let there = spec_to_wire(&typed);
        let back = spec::spec(&there).unwrap();
        // As text, where a difference can be found.
        let shown = |spec: &runtime::Spec| format!("{:#}", serde_json::to_value(spec).unwrap());
        assert_eq!(shown(&back), shown(&typed));
        let process = typed.process().clone().unwrap();
        assert_eq!(spec::process(&process_to_wire(&process)).unwrap(), process);
        let limits = typed.linux().clone().unwrap().resources().clone().unwrap();
        assert_eq!(spec::resources(&resources_to_wire(&limits)).unwrap(), limits);
    }
}
