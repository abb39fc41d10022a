//! What a spec says of Linux: namespaces, devices, seccomp, paths.

use crate::oci;
use serde_json::{Value, json};

use super::{Object, resources};

pub(super) fn value(linux: &oci::Linux) -> Value {
    let mut out = Object::default();
    for (key, mappings) in
        [("uidMappings", &linux.UIDMappings), ("gidMappings", &linux.GIDMappings)]
    {
        if !mappings.is_empty() {
            out.put(key, mappings.iter().map(mapping).collect());
        }
    }
    if !linux.Sysctl.is_empty() {
        out.put("sysctl", json!(linux.Sysctl));
    }
    if let Some(limits) = linux.Resources.as_ref() {
        out.put("resources", resources::value(limits));
    }
    out.text("cgroupsPath", &linux.CgroupsPath);
    out.put("namespaces", linux.Namespaces.iter().map(namespace).collect());
    out.put("devices", linux.Devices.iter().map(device).collect());
    if let Some(filter) = linux.Seccomp.as_ref() {
        out.put("seccomp", seccomp(filter));
    }
    out.text("rootfsPropagation", &linux.RootfsPropagation);
    out.list("maskedPaths", &linux.MaskedPaths);
    out.list("readonlyPaths", &linux.ReadonlyPaths);
    out.text("mountLabel", &linux.MountLabel);
    if linux.IntelRdt.is_some() {
        log::warn!("a guest has no control of processor caches; intelRdt is left out");
    }
    out.into()
}

fn mapping(mapping: &oci::LinuxIDMapping) -> Value {
    json!({
        "hostID": mapping.HostID,
        "containerID": mapping.ContainerID,
        "size": mapping.Size,
    })
}

fn namespace(namespace: &oci::LinuxNamespace) -> Value {
    let mut out = Object::default();
    out.put("type", json!(namespace.Type));
    out.text("path", &namespace.Path);
    out.into()
}

fn device(device: &oci::LinuxDevice) -> Value {
    let mut out = Object::default();
    out.put("path", json!(device.Path));
    out.put("type", json!(device.Type));
    out.put("major", json!(device.Major));
    out.put("minor", json!(device.Minor));
    out.number("fileMode", device.FileMode);
    out.put("uid", json!(device.UID));
    out.put("gid", json!(device.GID));
    out.into()
}

fn seccomp(filter: &oci::LinuxSeccomp) -> Value {
    let mut out = Object::default();
    out.put("defaultAction", json!(filter.DefaultAction));
    out.list("architectures", &filter.Architectures);
    out.list("flags", &filter.Flags);
    out.put("syscalls", filter.Syscalls.iter().map(syscall).collect());
    out.into()
}

fn syscall(rule: &oci::LinuxSyscall) -> Value {
    let mut out = Object::default();
    out.put("names", json!(rule.Names));
    out.put("action", json!(rule.Action));
    if rule.has_errnoret() {
        out.put("errnoRet", json!(rule.errnoret()));
    }
    if !rule.Args.is_empty() {
        out.put("args", rule.Args.iter().map(argument).collect());
    }
    out.into()
}

fn argument(argument: &oci::LinuxSeccompArg) -> Value {
    json!({
        "index": argument.Index,
        "value": argument.Value,
        "valueTwo": argument.ValueTwo,
        "op": argument.Op,
    })
}
