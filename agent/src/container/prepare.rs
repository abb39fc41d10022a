//! What of a spec is different in a guest: namespaces that the sandbox has already,
//! device numbers, the root filesystem's place, hooks of the guest's own. Changes a
//! spec and nothing else.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Hook, Hooks, LinuxDeviceType, LinuxNamespace, LinuxNamespaceType, Root, Spec,
};

use crate::device::DevNode;

/// What the containers of a sandbox share.
#[derive(Debug, Default)]
pub struct Shared<'a> {
    /// The sandbox's ipc namespace.
    pub ipc: Option<&'a Path>,
    /// Its uts namespace.
    pub uts: Option<&'a Path>,
    /// The pid namespace to join, where the container has none of its own.
    pub pid: Option<PathBuf>,
}

/// Puts the sandbox's namespaces in their places. The network is the guest's own, of
/// which there is one; the pid namespace is as asked for now, whatever the spec says.
pub fn namespaces(spec: &mut Spec, shared: &Shared<'_>) {
    let Some(linux) = spec.linux_mut() else { return };
    let mut kept: Vec<LinuxNamespace> = linux.namespaces().clone().unwrap_or_default();
    kept.retain(|one| !matches!(one.typ(), LinuxNamespaceType::Network | LinuxNamespaceType::Pid));
    for one in &mut kept {
        let path = match one.typ() {
            LinuxNamespaceType::Ipc => shared.ipc,
            LinuxNamespaceType::Uts => shared.uts,
            // Paths of the host name nothing here.
            _ => None,
        };
        one.set_path(path.map(Path::to_owned));
    }
    let mut pid = LinuxNamespace::default();
    pid.set_typ(LinuxNamespaceType::Pid);
    pid.set_path(shared.pid.clone());
    kept.push(pid);
    if !kept.iter().any(|one| one.typ() == LinuxNamespaceType::Mount) {
        let mut mount = LinuxNamespace::default();
        mount.set_typ(LinuxNamespaceType::Mount);
        mount.set_path(None);
        kept.push(mount);
    }
    linux.set_namespaces(Some(kept));
}

/// Puts the root filesystem where the bundle has it. Returns where it was.
pub fn root(spec: &mut Spec, place: &Path) -> Option<PathBuf> {
    let old = spec.root().clone()?;
    let mut root = Root::default();
    root.set_path(place.to_owned());
    root.set_readonly(old.readonly());
    spec.set_root(Some(root));
    Some(old.path().clone())
}

/// Why a device can't be the container's.
#[derive(Debug, thiserror::Error)]
#[error("the spec has no device {path}, whose numbers in the guest are {major}:{minor}")]
pub struct NoDevice {
    path: String,
    major: u32,
    minor: u32,
}

/// Gives the device that the container has at `path` its numbers in the guest, also
/// where rules of the cgroup name it.
///
/// # Errors
///
/// [`NoDevice`] when the spec has none there.
pub fn device(spec: &mut Spec, path: &Path, node: &DevNode) -> Result<(), NoDevice> {
    let (major, minor) = (i64::from(node.major), i64::from(node.minor));
    let missing =
        || NoDevice { path: path.display().to_string(), major: node.major, minor: node.minor };
    let linux = spec.linux_mut().as_mut().ok_or_else(missing)?;
    let mut devices = linux.devices().clone().unwrap_or_default();
    let device = devices.iter_mut().find(|device| device.path() == path).ok_or_else(missing)?;
    let (kind, old) = (device.typ(), (device.major(), device.minor()));
    device.set_major(major);
    device.set_minor(minor);
    linux.set_devices(Some(devices));
    let Some(mut resources) = linux.resources().clone() else { return Ok(()) };
    let mut rules = resources.devices().clone().unwrap_or_default();
    for rule in &mut rules {
        let names_it = (rule.major(), rule.minor()) == (Some(old.0), Some(old.1))
            && same_kind(rule.typ(), kind);
        if names_it {
            rule.set_major(Some(major));
            rule.set_minor(Some(minor));
        }
    }
    resources.set_devices(Some(rules));
    linux.set_resources(Some(resources));
    Ok(())
}

fn same_kind(rule: Option<LinuxDeviceType>, device: LinuxDeviceType) -> bool {
    let character = |kind| matches!(kind, LinuxDeviceType::C | LinuxDeviceType::U);
    rule.is_none_or(|rule| rule == device || character(rule) && character(device))
}

/// Programs of the guest that run beside the hooks of each spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestHooks {
    /// Before a container's program starts.
    pub prestart: Vec<Hook>,
    /// After it started.
    pub poststart: Vec<Hook>,
    /// After the container is gone.
    pub poststop: Vec<Hook>,
}

/// Adds the guest's hooks behind those of the spec, each to its own kind.
pub fn hooks(spec: &mut Spec, guest: &GuestHooks) {
    if *guest == GuestHooks::default() {
        return;
    }
    let mut hooks = spec.hooks().clone().unwrap_or_else(none);
    let with = |own: &Option<Vec<Hook>>, more: &[Hook]| {
        let all: Vec<Hook> = own.iter().flatten().chain(more).cloned().collect();
        (!all.is_empty()).then_some(all)
    };
    #[allow(deprecated, reason = "guests' hooks are of that kind, and so are runtimes'")]
    {
        let prestart = with(hooks.prestart(), &guest.prestart);
        hooks.set_prestart(prestart);
    }
    let poststart = with(hooks.poststart(), &guest.poststart);
    hooks.set_poststart(poststart);
    let poststop = with(hooks.poststop(), &guest.poststop);
    hooks.set_poststop(poststop);
    spec.set_hooks(Some(hooks));
}

#[allow(deprecated, reason = "the field is there")]
fn none() -> Hooks {
    let mut hooks = Hooks::default();
    hooks
        .set_prestart(None)
        .set_create_runtime(None)
        .set_create_container(None)
        .set_start_container(None)
        .set_poststart(None)
        .set_poststop(None);
    hooks
}

/// The path of a container's cgroup below the root of the hierarchy. What is for
/// systemd, `slice:prefix:name`, becomes the path that it would make.
pub fn cgroup(spec: &Spec, id: &str) -> PathBuf {
    let asked = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone());
    let asked = asked.filter(|path| !path.as_os_str().is_empty());
    let Some(asked) = asked else { return PathBuf::from("kata").join(id) };
    let text = asked.display().to_string();
    let parts: Vec<&str> = text.split(':').collect();
    let [slice, prefix, name] = parts.as_slice() else {
        return asked.components().filter(|step| plain(*step)).collect();
    };
    let unit = match (*prefix, *name) {
        ("", name) => name.to_owned(),
        (prefix, name) if name.ends_with(".slice") => format!("{prefix}-{name}"),
        (prefix, name) => format!("{prefix}-{name}.scope"),
    };
    slice_path(slice).join(unit.replace('/', "-"))
}

fn plain(step: std::path::Component<'_>) -> bool {
    matches!(step, std::path::Component::Normal(_))
}

/// `a-b.slice` lies in `a.slice`.
fn slice_path(slice: &str) -> PathBuf {
    let stem = slice.trim_end_matches(".slice");
    let mut path = PathBuf::new();
    if stem.is_empty() || stem == "-" || stem.contains('/') {
        path.push("system.slice");
        return path;
    }
    let mut name = String::new();
    for part in stem.split('-') {
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(part);
        path.push(format!("{name}.slice"));
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(linux: &Value) -> Spec {
        serde_json::from_value(json!({
            "ociVersion": "1.0.2",
            "root": {"path": "/shared/rootfs", "readonly": true},
            "linux": linux,
        }))
        .unwrap()
    }

    fn linux(spec: &Spec) -> Value {
        serde_json::to_value(spec.linux()).unwrap()
    }

    #[test]
    fn namespaces_are_the_sandbox_s() {
        let mut spec = spec(&json!({"namespaces": [
            {"type": "network", "path": "/run/netns/x"},
            {"type": "pid", "path": "/proc/4/ns/pid"},
            {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"},
        ]}));
        let shared = Shared {
            ipc: Some(Path::new("/ns/ipc")),
            uts: Some(Path::new("/ns/uts")),
            pid: Some("/proc/7/ns/pid".into()),
        };
        namespaces(&mut spec, &shared);
        assert_eq!(
            linux(&spec)["namespaces"],
            json!([
                {"type": "ipc", "path": "/ns/ipc"},
                {"type": "uts", "path": "/ns/uts"},
                {"type": "mount"},
                {"type": "cgroup"},
                {"type": "pid", "path": "/proc/7/ns/pid"},
            ])
        );
        let mut bare = self::spec(&json!({"namespaces": []}));
        namespaces(&mut bare, &Shared::default());
        assert_eq!(linux(&bare)["namespaces"], json!([{"type": "pid"}, {"type": "mount"}]));
    }

    #[test]
    fn devices_get_the_guest_s_numbers() {
        let mut spec = spec(&json!({
            "devices": [
                {"path": "/dev/a", "type": "b", "major": 8, "minor": 0},
                {"path": "/dev/b", "type": "c", "major": 8, "minor": 0},
            ],
            "resources": {"devices": [
                {"allow": false, "access": "rwm"},
                {"allow": true, "type": "b", "major": 8, "minor": 0, "access": "rw"},
                {"allow": true, "type": "c", "major": 8, "minor": 0, "access": "rw"},
                {"allow": true, "type": "b", "major": 8, "access": "r"},
            ]},
        }));
        let node = DevNode {
            name: "vda".into(),
            path: "/dev/vda".into(),
            major: 254,
            minor: 16,
            sysfs: "/sys/x".into(),
        };
        device(&mut spec, Path::new("/dev/a"), &node).unwrap();
        let linux = linux(&spec);
        assert_eq!(linux["devices"][0]["major"], 254);
        assert_eq!(linux["devices"][1]["major"], 8);
        let rules: Vec<_> = linux["resources"]["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| (rule["major"].as_i64(), rule["minor"].as_i64()))
            .collect();
        let of_host = (Some(8), Some(0));
        let expected = [(None, None), (Some(254), Some(16)), of_host, (Some(8), None)];
        assert_eq!(rules, expected);
        let missing = device(&mut spec, Path::new("/dev/x"), &node).unwrap_err().to_string();
        assert!(missing.contains("/dev/x") && missing.contains("254:16"), "{missing}");
    }

    #[test]
    fn hooks_of_the_guest_go_to_their_kind() {
        let mut spec = spec(&json!({}));
        let hook: Hook = serde_json::from_value(json!({"path": "/h"})).unwrap();
        let guest = GuestHooks { poststop: vec![hook], ..GuestHooks::default() };
        hooks(&mut spec, &guest);
        hooks(&mut spec, &guest);
        let all = serde_json::to_value(spec.hooks()).unwrap();
        assert_eq!(all, json!({"poststop": [{"path": "/h"}, {"path": "/h"}]}));
        let mut none = self::spec(&json!({}));
        hooks(&mut none, &GuestHooks::default());
        assert!(none.hooks().is_none());
    }

    #[test]
    fn cgroups_by_path_and_by_unit() {
        let path =
            |text: &str| cgroup(&spec(&json!({"cgroupsPath": text})), "c").display().to_string();
        assert_eq!(path("/kubepods/pod1/c"), "kubepods/pod1/c");
        assert_eq!(path("../../x"), "x");
        assert_eq!(path(""), "kata/c");
        assert_eq!(
            path("kubepods-burstable.slice:cri-containerd:c"),
            "kubepods.slice/kubepods-burstable.slice/cri-containerd-c.scope"
        );
        assert_eq!(path("::c"), "system.slice/c");
        assert_eq!(path("-.slice:a:../b"), "system.slice/a-..-b.scope");
    }

    #[test]
    fn the_root_moves() {
        let mut spec = spec(&json!({}));
        let old = root(&mut spec, Path::new("/run/k/c/rootfs"));
        assert_eq!(old.as_deref(), Some(Path::new("/shared/rootfs")));
        let root = spec.root().clone().unwrap();
        assert_eq!(root.path(), Path::new("/run/k/c/rootfs"));
        assert_eq!(root.readonly(), Some(true));
    }
}
