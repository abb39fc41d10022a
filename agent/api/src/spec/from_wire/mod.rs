//! The OCI spec of a request as the OCI runtime specification's own types.
//!
//! The wire knows no absent numbers: what is 0 or empty there, and means
//! something else than "not said" in OCI, is told apart here and nowhere else.
//! It must not know what is done with a spec.

mod linux;
mod process;
mod resources;
#[cfg(test)]
mod tests;

use crate::oci;
use oci_spec::runtime;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A spec that OCI has no form for.
#[derive(Debug, thiserror::Error)]
#[error("the {what} of the request is none that OCI knows: {reason}")]
pub struct SpecError {
    what: &'static str,
    reason: String,
}

/// The whole spec.
///
/// # Errors
///
/// A word that OCI does not know, such as a seccomp action.
pub fn spec(spec: &oci::Spec) -> Result<runtime::Spec, SpecError> {
    let mut out = Object::default();
    out.text("ociVersion", if spec.Version.is_empty() { "1.0.2" } else { &spec.Version });
    out.text("hostname", &spec.Hostname);
    if let Some(process) = spec.Process.as_ref() {
        out.put("process", process::value(process));
    }
    if let Some(root) = spec.Root.as_ref() {
        out.put("root", json!({"path": root.Path, "readonly": root.Readonly}));
    }
    out.put("mounts", spec.Mounts.iter().map(mount).collect());
    if let Some(hooks) = spec.Hooks.as_ref() {
        out.put("hooks", self::hooks(hooks));
    }
    if !spec.Annotations.is_empty() {
        out.put("annotations", json!(spec.Annotations));
    }
    if let Some(linux) = spec.Linux.as_ref() {
        out.put("linux", linux::value(linux));
    }
    typed("spec", out.into())
}

/// The process of an `ExecProcess`.
///
/// # Errors
///
/// A word that OCI does not know.
pub fn process(process: &oci::Process) -> Result<runtime::Process, SpecError> {
    typed("process", process::value(process))
}

/// The limits of an `UpdateContainer`.
///
/// # Errors
///
/// A word that OCI does not know.
pub fn resources(resources: &oci::LinuxResources) -> Result<runtime::LinuxResources, SpecError> {
    typed("limits", resources::value(resources))
}

fn typed<T: DeserializeOwned>(what: &'static str, value: Value) -> Result<T, SpecError> {
    serde_json::from_value(value).map_err(|error| SpecError { what, reason: error.to_string() })
}

fn mount(mount: &oci::Mount) -> Value {
    let mut out = Object::default();
    out.put("destination", json!(mount.destination));
    out.text("source", &mount.source);
    out.text("type", &mount.type_);
    out.list("options", &mount.options);
    out.into()
}

fn hooks(hooks: &oci::Hooks) -> Value {
    let mut out = Object::default();
    for (key, list) in [
        ("prestart", &hooks.Prestart),
        ("createRuntime", &hooks.CreateRuntime),
        ("createContainer", &hooks.CreateContainer),
        ("startContainer", &hooks.StartContainer),
        ("poststart", &hooks.Poststart),
        ("poststop", &hooks.Poststop),
    ] {
        if !list.is_empty() {
            out.put(key, list.iter().map(hook).collect());
        }
    }
    out.into()
}

fn hook(hook: &oci::Hook) -> Value {
    let mut out = Object::default();
    out.put("path", json!(hook.Path));
    out.list("args", &hook.Args);
    out.list("env", &hook.Env);
    out.number("timeout", hook.Timeout);
    out.into()
}

/// An object of JSON in which what is not said has no key.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// Nothing where the text is empty.
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, json!(text));
        }
    }

    /// Nothing where the list is empty.
    fn list(&mut self, key: &str, list: &[String]) {
        if !list.is_empty() {
            self.put(key, json!(list));
        }
    }

    /// Nothing where the number is 0.
    fn number<N: Default + PartialEq + Into<Value>>(&mut self, key: &str, number: N) {
        if number != N::default() {
            self.put(key, number.into());
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}
