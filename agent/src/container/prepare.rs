//! What of a spec is different in a guest: namespaces that the sandbox has already,
//! device numbers, the root filesystem's place, hooks of the guest's own. Changes a
//! spec and nothing else.

use std::collections::BTreeMap;
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

/// A device as the spec has it, and as the guest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where the container has it, by the spec.
    pub at: PathBuf,
    /// Where it will have it, if that is another place.
    pub moved_to: Option<PathBuf>,
    /// The guest's device.
    pub node: DevNode,
}

/// Gives devices their numbers in the guest, also where rules of the cgroup name them.
/// All at once: numbers that one device gets may be those that another one had.
///
/// # Errors
///
/// [`NoDevice`] when the spec has none at that place.
pub fn devices(spec: &mut Spec, all: &[Given]) -> Result<(), NoDevice> {
    let Some(linux) = spec.linux_mut() else {
        return all.first().map_or(Ok(()), |given| Err(missing(given)));
    };
    let mut devices = linux.devices().clone().unwrap_or_default();
    let mut changes = Vec::new();
    for given in all {
        let device = devices.iter_mut().find(|device| *device.path() == given.at);
        let device = device.ok_or_else(|| missing(given))?;
        let (major, minor) = (i64::from(given.node.major), i64::from(given.node.minor));
        changes.push((device.typ(), (device.major(), device.minor()), (major, minor)));
        device.set_major(major);
        device.set_minor(minor);
        if let Some(place) = &given.moved_to {
            device.set_path(place.clone());
        }
    }
    linux.set_devices(Some(devices));
    let Some(mut resources) = linux.resources().clone() else { return Ok(()) };
    let mut rules = resources.devices().clone().unwrap_or_default();
    for rule in &mut rules {
        let named = (rule.major(), rule.minor());
        let change = changes.iter().find(|(kind, (major, minor), _)| {
            named == (Some(*major), Some(*minor)) && same_kind(rule.typ(), *kind)
        });
        if let Some((_, _, (major, minor))) = change {
            rule.set_major(Some(*major));
            rule.set_minor(Some(*minor));
        }
    }
    resources.set_devices(Some(rules));
    linux.set_resources(Some(resources));
    Ok(())
}

fn missing(given: &Given) -> NoDevice {
    let DevNode { major, minor, .. } = given.node;
    NoDevice { path: given.at.display().to_string(), major, minor }
}

/// Puts the guest's PCI addresses in the place of the host's, in the variables by which
/// device plugins tell a program its devices.
pub fn addresses(spec: &mut Spec, guest_of_host: &BTreeMap<String, String>) {
    let Some(process) = spec.process_mut() else { return };
    let Some(mut env) = process.env().clone() else { return };
    for variable in &mut env {
        let Some((name, value)) = variable.split_once('=') else { continue };
        if name.starts_with("PCIDEVICE_") && !name.ends_with("_INFO") {
            let in_guest = |address: &str| {
                guest_of_host.get(address).map_or_else(|| address.to_owned(), Clone::clone)
            };
            let value: Vec<String> = value.split(',').map(in_guest).collect();
            *variable = format!("{name}={}", value.join(","));
        }
    }
    process.set_env(Some(env));
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
        let given =
            |at: &str, node: &DevNode| Given { at: at.into(), moved_to: None, node: node.clone() };
        // The second device gets the numbers that the first one had.
        let second = DevNode { major: 8, minor: 0, ..node.clone() };
        let moved = Given { moved_to: Some("/dev/c".into()), ..given("/dev/b", &second) };
        devices(&mut spec, &[given("/dev/a", &node), moved]).unwrap();
        let linux = linux(&spec);
        assert_eq!(linux["devices"][0]["major"], 254);
        assert_eq!(linux["devices"][1]["major"], 8);
        assert_eq!(linux["devices"][1]["path"], "/dev/c");
        let rules: Vec<_> = linux["resources"]["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| (rule["major"].as_i64(), rule["minor"].as_i64()))
            .collect();
        let of_host = (Some(8), Some(0));
        let expected = [(None, None), (Some(254), Some(16)), of_host, (Some(8), None)];
        assert_eq!(rules, expected);
        let missing = devices(&mut spec, &[given("/dev/x", &node)]).unwrap_err().to_string();
        assert!(missing.contains("/dev/x") && missing.contains("254:16"), "{missing}");
    }

    #[test]
    fn programs_learn_the_guest_s_addresses() {
        let mut spec = spec(&json!({}));
        let env = ["A=0000:1a:00.0", "PCIDEVICE_X_Y=0000:1a:00.0,0000:1b:00.0"];
        let process = json!({"cwd": "/", "user": {"uid": 0, "gid": 0}, "env": env});
        spec.set_process(Some(serde_json::from_value(process).unwrap()));
        let known = BTreeMap::from([("0000:1a:00.0".to_owned(), "0000:00:02.0".to_owned())]);
        addresses(&mut spec, &known);
        let env = spec.process().clone().unwrap().env().clone().unwrap();
        assert_eq!(env, ["A=0000:1a:00.0", "PCIDEVICE_X_Y=0000:00:02.0,0000:1b:00.0"]);
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
    fn the_root_moves() {
        let mut spec = spec(&json!({}));
        let old = root(&mut spec, Path::new("/run/k/c/rootfs"));
        assert_eq!(old.as_deref(), Some(Path::new("/shared/rootfs")));
        let root = spec.root().clone().unwrap();
        assert_eq!(root.path(), Path::new("/run/k/c/rootfs"));
        assert_eq!(root.readonly(), Some(true));
    }
}
