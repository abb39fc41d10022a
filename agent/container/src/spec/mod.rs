//! Judges a spec before anything is made of it: what is missing, what contradicts
//! itself, and what this crate can't do. Knows the spec alone, no file and no kernel.

mod fuzzing;
mod process;
mod resources;

use std::collections::BTreeSet;
use std::path::Path;

use oci_spec::runtime::{Linux, LinuxNamespaceType, Mount, Spec};

pub use self::fuzzing::fuzz_spec;
pub(crate) use self::process::check as check_process;
pub(crate) use self::resources::check as check_resources;
use crate::mounts::options;
use crate::sysctl;

/// A part of a spec that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the spec's {at}: {why}")]
pub struct Invalid {
    /// Which part, as in `linux.namespaces[2]`.
    pub at: String,
    /// What is wrong with it.
    pub why: String,
}

impl Invalid {
    pub(crate) fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), why: why.into() }
    }
}

/// More entries than any honest list has.
const MOST_ENTRIES: usize = 4096;

/// How the checked container stands to its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// The network that the container gets without a namespace of its own belongs to
    /// its pod, so that it may set its parameters.
    pub network_is_the_pods: bool,
}

/// Checks a whole spec.
///
/// # Errors
///
/// The first part that can't be.
pub fn check(spec: &Spec, surroundings: Surroundings) -> Result<(), Invalid> {
    let root = spec.root().as_ref().ok_or_else(|| Invalid::new("root", "is missing"))?;
    path(root.path(), "root.path")?;
    let process = spec.process().as_ref().ok_or_else(|| Invalid::new("process", "is missing"))?;
    process::check(process)?;
    let linux = spec.linux().as_ref().ok_or_else(|| Invalid::new("linux", "is missing"))?;
    namespaces(spec, linux)?;
    users(linux)?;
    let all = spec.mounts().iter().flatten();
    for (number, mount) in bounded(all, "mounts")?.iter().enumerate() {
        self::mount(mount).map_err(|why| Invalid::new(format!("mounts[{number}]"), why))?;
    }
    for (list, name) in
        [(linux.masked_paths(), "maskedPaths"), (linux.readonly_paths(), "readonlyPaths")]
    {
        for one in bounded(list.iter().flatten(), &format!("linux.{name}"))? {
            absolute(Path::new(one), &format!("linux.{name}"))?;
        }
    }
    if let Some(propagation) = linux.rootfs_propagation().as_deref() {
        options::propagation(propagation).map(drop).ok_or_else(|| {
            Invalid::new("linux.rootfsPropagation", format!("{propagation:?} is no propagation"))
        })?;
    }
    devices(linux)?;
    for (name, value) in linux.sysctl().iter().flatten() {
        text(value, "linux.sysctl")?;
        sysctl::check(name, |kind| has(linux, kind), surroundings.network_is_the_pods)
            .map_err(|why| Invalid::new("linux.sysctl", why))?;
    }
    hooks(spec)?;
    if let Some(resources) = linux.resources() {
        resources::check(resources)?;
    }
    impossible(linux)
}

/// What would change the container's meaning if it were left out.
fn impossible(linux: &Linux) -> Result<(), Invalid> {
    let asked = [
        (linux.intel_rdt().is_some(), "intelRdt"),
        (linux.net_devices().as_ref().is_some_and(|all| !all.is_empty()), "netDevices"),
        (linux.memory_policy().is_some(), "memoryPolicy"),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, name)) => {
            Err(Invalid::new(format!("linux.{name}"), "is not possible in this guest"))
        }
        None => Ok(()),
    }
}

/// Whether the container has a namespace of this kind, new or joined.
pub(crate) fn has(linux: &Linux, kind: LinuxNamespaceType) -> bool {
    linux.namespaces().iter().flatten().any(|one| one.typ() == kind)
}

fn namespaces(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for (number, one) in linux.namespaces().iter().flatten().enumerate() {
        let at = format!("linux.namespaces[{number}]");
        if !seen.insert(one.typ() as u32) {
            return Err(Invalid::new(at, format!("{} is there twice", one.typ())));
        }
        if let Some(file) = given(one.path().as_deref()) {
            absolute(file, &at)?;
            if one.typ() == LinuxNamespaceType::Mount {
                return Err(Invalid::new(at, "a container's mount namespace is its own"));
            }
        }
    }
    if !has(linux, LinuxNamespaceType::Mount) {
        return Err(Invalid::new(
            "linux.namespaces",
            "has no mount namespace: the container's mounts would be the guest's",
        ));
    }
    for (name, value) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { continue };
        text(value, name)?;
        if value.len() > 64 {
            return Err(Invalid::new(name, "is longer than the kernel's 64 bytes"));
        }
        if !has(linux, LinuxNamespaceType::Uts) {
            return Err(Invalid::new(name, "needs a uts namespace"));
        }
    }
    if linux.time_offsets().as_ref().is_some_and(|all| !all.is_empty()) {
        let new = linux.namespaces().iter().flatten().any(|one| {
            one.typ() == LinuxNamespaceType::Time && given(one.path().as_deref()).is_none()
        });
        if !new {
            return Err(Invalid::new("linux.timeOffsets", "need a new time namespace"));
        }
        for clock in linux.time_offsets().iter().flatten().map(|(clock, _)| clock) {
            if clock != "monotonic" && clock != "boottime" {
                return Err(Invalid::new(
                    "linux.timeOffsets",
                    format!("{clock:?} is no clock: monotonic and boottime are"),
                ));
            }
        }
    }
    Ok(())
}

/// An empty path means none, as in messages that know no absence.
pub(crate) fn given(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}

fn users(linux: &Linux) -> Result<(), Invalid> {
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    let user = linux
        .namespaces()
        .iter()
        .flatten()
        .find(|one| one.typ() == LinuxNamespaceType::User)
        .map(|one| given(one.path().as_deref()).is_some());
    match user {
        None if !uids.is_empty() || !gids.is_empty() => {
            return Err(Invalid::new("linux.uidMappings", "need a user namespace"));
        }
        Some(false) if uids.is_empty() || gids.is_empty() => {
            return Err(Invalid::new(
                "linux.uidMappings",
                "a new user namespace needs mappings of users and of groups",
            ));
        }
        Some(true) if !uids.is_empty() || !gids.is_empty() => {
            return Err(Invalid::new(
                "linux.uidMappings",
                "a joined user namespace has its mappings already",
            ));
        }
        _ => {}
    }
    for (maps, name) in [(uids, "linux.uidMappings"), (gids, "linux.gidMappings")] {
        // The kernel's own limit.
        if maps.len() > 340 {
            return Err(Invalid::new(name, "has more than 340 lines"));
        }
        for map in maps {
            let ends = [map.host_id(), map.container_id()].map(|from| from.checked_add(map.size()));
            if map.size() == 0 || ends.contains(&None) {
                return Err(Invalid::new(name, "has an empty range or one beyond 32 bits"));
            }
        }
        if !maps.is_empty() && !maps.iter().any(|map| map.container_id() == 0) {
            return Err(Invalid::new(name, "gives the container no 0, as which it is set up"));
        }
    }
    Ok(())
}

fn mount(mount: &Mount) -> Result<(), String> {
    let problem = |error: Invalid| error.why;
    absolute_or_relative(mount.destination(), "destination").map_err(problem)?;
    if let Some(source) = mount.source() {
        path(source, "source").map_err(problem)?;
    }
    if let Some(kind) = mount.typ() {
        text(kind, "type").map_err(problem)?;
    }
    let mapped = |maps: &Option<Vec<_>>| maps.as_ref().is_some_and(|maps| !maps.is_empty());
    if mapped(mount.uid_mappings()) || mapped(mount.gid_mappings()) {
        return Err("id-mapped mounts are not possible in this guest".to_owned());
    }
    let parsed = options::parse(mount.options().as_deref().unwrap_or_default())?;
    if parsed.bind.is_some() && mount.source().as_deref().and_then(|p| given(Some(p))).is_none() {
        return Err("a bind mount needs a source".to_owned());
    }
    if parsed.bind.is_none() && mount.typ().as_deref().unwrap_or_default().is_empty() {
        return Err("needs a type, unless it is a bind mount".to_owned());
    }
    Ok(())
}

fn devices(linux: &Linux) -> Result<(), Invalid> {
    for device in bounded(linux.devices().iter().flatten(), "linux.devices")? {
        absolute(device.path(), "linux.devices")?;
        crate::devices::number(device).map_err(|why| Invalid::new("linux.devices", why))?;
    }
    Ok(())
}

fn hooks(spec: &Spec) -> Result<(), Invalid> {
    let Some(hooks) = spec.hooks() else { return Ok(()) };
    let all = [
        hooks.create_runtime(),
        hooks.create_container(),
        hooks.start_container(),
        hooks.poststart(),
        hooks.poststop(),
    ];
    #[allow(deprecated, reason = "runtimes still send prestart hooks")]
    let prestart = hooks.prestart();
    for hook in all.into_iter().chain([prestart]).flat_map(|hooks| hooks.iter().flatten()) {
        absolute(hook.path(), "hooks")?;
        if hook.timeout().is_some_and(|seconds| seconds <= 0) {
            return Err(Invalid::new("hooks", "a timeout must be more than 0 seconds"));
        }
    }
    Ok(())
}

fn bounded<'a, T>(all: impl Iterator<Item = &'a T>, at: &str) -> Result<Vec<&'a T>, Invalid> {
    let list: Vec<&T> = all.take(MOST_ENTRIES + 1).collect();
    if list.len() > MOST_ENTRIES {
        return Err(Invalid::new(at, format!("has more than {MOST_ENTRIES} entries")));
    }
    Ok(list)
}

/// No kernel interface takes a NUL within a text.
pub(crate) fn text(value: &str, at: &str) -> Result<(), Invalid> {
    if value.contains('\0') {
        return Err(Invalid::new(at, "holds a NUL byte"));
    }
    Ok(())
}

fn path(value: &Path, at: &str) -> Result<(), Invalid> {
    let bytes = value.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= 4096 {
        return Err(Invalid::new(at, "is not a path: empty, too long or with a NUL byte"));
    }
    Ok(())
}

/// runc still takes a relative destination as one from the root.
fn absolute_or_relative(value: &Path, at: &str) -> Result<(), Invalid> {
    path(value, at)
}

fn absolute(value: &Path, at: &str) -> Result<(), Invalid> {
    path(value, at)?;
    if !value.is_absolute() {
        return Err(Invalid::new(at, format!("{} must be an absolute path", value.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
