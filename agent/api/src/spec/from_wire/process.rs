//! A process of a spec: user, arguments, rights and limits.

use crate::oci;
use oci_spec::runtime::Capability;
use serde_json::{Value, json};

use super::Object;

pub(super) fn value(process: &oci::Process) -> Value {
    let mut out = Object::default();
    out.put("terminal", json!(process.Terminal));
    if let Some(size) = process.ConsoleSize.as_ref() {
        out.put("consoleSize", json!({"height": size.Height, "width": size.Width}));
    }
    out.put("user", user(process.User.get_or_default()));
    out.list("args", &process.Args);
    out.list("env", &process.Env);
    out.put("cwd", json!(process.Cwd));
    if let Some(sets) = process.Capabilities.as_ref() {
        out.put("capabilities", capabilities(sets));
    }
    if !process.Rlimits.is_empty() {
        out.put("rlimits", process.Rlimits.iter().map(rlimit).collect());
    }
    out.put("noNewPrivileges", json!(process.NoNewPrivileges));
    out.text("apparmorProfile", &process.ApparmorProfile);
    // Always said: what a container would inherit is the agent's own protection.
    out.put("oomScoreAdj", json!(process.OOMScoreAdj));
    out.text("selinuxLabel", &process.SelinuxLabel);
    out.into()
}

fn user(user: &oci::User) -> Value {
    let mut out = Object::default();
    out.put("uid", json!(user.UID));
    out.put("gid", json!(user.GID));
    if !user.AdditionalGids.is_empty() {
        out.put("additionalGids", json!(user.AdditionalGids));
    }
    out.text("username", &user.Username);
    out.into()
}

fn capabilities(sets: &oci::LinuxCapabilities) -> Value {
    let mut out = Object::default();
    for (key, names) in [
        ("bounding", &sets.Bounding),
        ("effective", &sets.Effective),
        ("inheritable", &sets.Inheritable),
        ("permitted", &sets.Permitted),
        ("ambient", &sets.Ambient),
    ] {
        out.put(key, names.iter().filter(|name| known(name)).map(|name| json!(name)).collect());
    }
    out.into()
}

/// A capability of a newer kernel than ours is left out with a warning, as runc does.
fn known(name: &str) -> bool {
    let known = serde_json::from_value::<Capability>(json!(name)).is_ok();
    if !known {
        log::warn!("the capability {name:?} is unknown here and not given");
    }
    known
}

fn rlimit(limit: &oci::POSIXRlimit) -> Value {
    json!({"type": limit.Type, "hard": limit.Hard, "soft": limit.Soft})
}
