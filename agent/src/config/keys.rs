//! The names of all settings and how their values read. One table serves file and
//! kernel command line, so that the two can't drift apart.

use std::time::Duration;

use log::LevelFilter;

use super::Config;

type Setter = fn(&mut Config, &str) -> Result<(), String>;

/// Name in the file, name on the kernel command line, and what it sets.
const KEYS: [(&str, &str, Setter); 22] = [
    ("debug_console", "agent.debug_console", |c, v| put(&mut c.debug_console, flag(v))),
    ("debug_console_vport", "agent.debug_console_vport", |c, v| {
        put(&mut c.debug_console_vport, number(v))
    }),
    ("dev_mode", "agent.devmode", |c, v| put(&mut c.dev_mode, flag(v))),
    ("log_level", "agent.log", |c, v| put(&mut c.log_level, level(v))),
    ("log_vport", "agent.log_vport", |c, v| put(&mut c.log_vport, number(v))),
    ("hotplug_timeout", "agent.hotplug_timeout", |c, v| put(&mut c.hotplug_timeout, seconds(v))),
    ("cdh_api_timeout", "agent.cdh_api_timeout", |c, v| put(&mut c.cdh_api_timeout, seconds(v))),
    ("image_pull_timeout", "agent.image_pull_timeout", |c, v| {
        put(&mut c.image_pull_timeout, seconds(v))
    }),
    ("cdi_timeout", "agent.cdi_timeout", |c, v| put(&mut c.cdi_timeout, seconds(v))),
    ("launch_process_timeout", "agent.launch_process_timeout", |c, v| {
        put(&mut c.launch_process_timeout, seconds(v))
    }),
    ("visible_cdi_devices", "agent.visible_cdi_devices", |c, v| {
        put(&mut c.visible_cdi_devices, flag(v))
    }),
    ("container_pipe_size", "agent.container_pipe_size", |c, v| {
        put(&mut c.container_pipe_size, number(v))
    }),
    ("server_addr", "agent.server_addr", |c, v| put(&mut c.server_addr, text(v))),
    ("passfd_listener_port", "agent.passfd_listener_port", |c, v| {
        put(&mut c.passfd_listener_port, number(v))
    }),
    ("unified_cgroup_hierarchy", "systemd.unified_cgroup_hierarchy", |c, v| {
        put(&mut c.unified_cgroup_hierarchy, flag(v))
    }),
    ("tracing", "agent.trace", |c, v| put(&mut c.tracing, flag(v))),
    ("https_proxy", "agent.https_proxy", |c, v| put(&mut c.https_proxy, text(v))),
    ("no_proxy", "agent.no_proxy", |c, v| put(&mut c.no_proxy, text(v))),
    ("guest_components_rest_api", "agent.guest_components_rest_api", |c, v| {
        let value = one_of(v, &["all", "attestation", "resource"]);
        put(&mut c.guest_components_rest_api, value)
    }),
    ("guest_components_procs", "agent.guest_components_procs", |c, v| {
        let known = ["none", "attestation-agent", "confidential-data-hub", "api-server-rest"];
        put(&mut c.guest_components_procs, one_of(v, &known))
    }),
    ("secure_storage_integrity", "agent.secure_storage_integrity", |c, v| {
        put(&mut c.secure_storage_integrity, flag(v))
    }),
    // No parameter of the kernel: the host, which a policy is against, chooses those.
    ("policy_file", "", |c, v| put(&mut c.policy_file, text(v))),
];

/// Sets what one line of the file says.
pub(super) fn set_from_file(
    config: &mut Config,
    key: &str,
    value: &toml::Value,
) -> Result<(), String> {
    let text = as_text(value);
    let set = match KEYS.iter().find(|(name, _, _)| *name == key) {
        Some((_, _, set)) => text.clone().and_then(|text| set(config, &text)),
        // A key that is not known is worse than its value.
        None => config
            .mem_agent
            .set(key, text.as_deref().unwrap_or_default())
            .ok_or_else(|| format!("{key} is not known"))?,
    };
    text.and(set).map_err(|problem| format!("{key}: {problem}"))
}

/// A value as it would stand on the command line.
fn as_text(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        // Durations are written as a table in files that exist.
        toml::Value::Table(table) => {
            duration(table).ok_or_else(|| "the table is no duration with secs and nanos".to_owned())
        }
        _ => Err("the value has the wrong type".to_owned()),
    }
}

/// Sets what one kernel parameter says. Parameters that are not the agent's are
/// none of its business.
pub(super) fn set_from_cmdline(
    config: &mut Config,
    name: &str,
    value: Option<&str>,
) -> Result<(), String> {
    let known = KEYS.iter().find(|(_, parameter, _)| *parameter == name);
    if let Some((_, _, set)) = known {
        return match value {
            Some(value) => set(config, value),
            // A bare word switches something on; where a value is due, none is wrong.
            None => set(config, "true"),
        }
        .map_err(|problem| format!("{name}: {problem}"));
    }
    let Some(own) = name.strip_prefix("agent.") else { return Ok(()) };
    match config.mem_agent.set(own, value.unwrap_or("true")) {
        Some(set) => set.map_err(|problem| format!("{name}: {problem}")),
        None => Err(format!("{name} is not known")),
    }
}

/// Sets what one environment variable says.
pub(super) fn set_from_environment(
    config: &mut Config,
    name: &str,
    value: &str,
) -> Result<(), String> {
    match name {
        "KATA_AGENT_SERVER_ADDR" => put(&mut config.server_addr, text(value)),
        "KATA_AGENT_LOG_LEVEL" => put(&mut config.log_level, level(value)),
        "KATA_AGENT_TRACING" => put(&mut config.tracing, flag(value)),
        "KATA_AGENT_POLICY_FILE" => put(&mut config.policy_file, text(value)),
        _ => Err("this variable is not known".to_owned()),
    }
    .map_err(|problem| format!("{name}: {problem}"))
}

/// What a table with `secs` and `nanos` says, as [`seconds`] reads it.
fn duration(table: &toml::Table) -> Option<String> {
    if !table.keys().all(|key| matches!(key.as_str(), "secs" | "nanos")) {
        return None;
    }
    let part = |name: &str| table.get(name).map_or(Some(0), toml::Value::as_integer);
    let (secs, nanos) = (u32::try_from(part("secs")?).ok()?, u32::try_from(part("nanos")?).ok()?);
    (nanos < 1_000_000_000).then(|| format!("{secs}.{nanos:09}"))
}

fn put<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

pub(crate) fn flag(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}

fn number(value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("{value:?} is not a number"))
}

/// Whole seconds, or what [`duration`] makes of a table.
fn seconds(value: &str) -> Result<Duration, String> {
    let (whole, nanos) = value.split_once('.').unwrap_or((value, "000000000"));
    let nanos = nanos.parse().ok().filter(|_| nanos.len() == 9);
    let nanos = nanos.ok_or_else(|| format!("{value:?} is not a number of seconds"))?;
    Ok(Duration::new(number(whole)?.into(), nanos))
}

fn text(value: &str) -> Result<String, String> {
    match value {
        "" => Err("the value is empty".to_owned()),
        value => Ok(value.to_owned()),
    }
}

fn one_of(value: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(format!("{value:?} is not one of {}", known.join(", ")))
}

fn level(value: &str) -> Result<LevelFilter, String> {
    match value {
        // Three names for the same thing, and nothing between them and an error.
        "critical" | "fatal" | "panic" | "error" => Ok(LevelFilter::Error),
        "warn" | "warning" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        other => Err(format!("{other:?} is no log level")),
    }
}
