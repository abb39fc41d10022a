//! Settings of the agent. They come from a TOML file, the kernel command line and
//! the environment; the later ones win. What is not understood becomes a warning,
//! never a guest that does not start: the one exception is a configuration file
//! that was asked for and can't be read.

mod cmdline;
mod keys;

pub(crate) use cmdline::parse as parameters;
pub(crate) use keys::flag;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::mem_agent;

/// A configuration file or command line longer than this is not looked at further.
const LARGEST_FILE: u64 = 1 << 20;

/// Where a setting can come from.
#[derive(Debug, Default)]
pub struct Sources {
    /// Content of /proc/cmdline.
    pub cmdline: String,
    /// `KATA_AGENT_*` variables.
    pub environment: BTreeMap<String, String>,
    /// File named by the agent's own arguments; wins over `agent.config_file`.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// The sources of the running machine.
    #[must_use]
    pub fn of_this_machine(file: Option<&Path>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("KATA_AGENT_"))
            .collect();
        let cmdline = read_bounded(Path::new("/proc/cmdline")).unwrap_or_default();
        Self { cmdline, environment, file: file.map(Path::to_owned) }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration file {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

/// All settings, with their defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Offer a shell on the debug console.
    pub debug_console: bool,
    /// vsock port of that shell; 0 is the console itself.
    pub debug_console_vport: u32,
    /// Development mode.
    pub dev_mode: bool,
    /// Least important message that is logged.
    pub log_level: LevelFilter,
    /// vsock port where the log can be read; 0 is none.
    pub log_vport: u32,
    /// How long to wait for a hot-plugged device.
    pub hotplug_timeout: Duration,
    /// How long to wait for the confidential data hub.
    pub cdh_api_timeout: Duration,
    /// How long an image may take to be pulled in the guest.
    pub image_pull_timeout: Duration,
    /// How long to wait for CDI specifications.
    pub cdi_timeout: Duration,
    /// How long a guest component may take to start.
    pub launch_process_timeout: Duration,
    /// Show CDI devices to containers.
    pub visible_cdi_devices: bool,
    /// Size of pipes to containers in bytes; 0 is the kernel's default.
    pub container_pipe_size: u32,
    /// Where the ttRPC server listens.
    pub server_addr: String,
    /// vsock port for standard streams; 0 is none.
    pub passfd_listener_port: u32,
    /// Use the unified cgroup hierarchy. This agent always does.
    pub unified_cgroup_hierarchy: bool,
    /// Send trace spans to the host.
    pub tracing: bool,
    /// Proxy for guest components.
    pub https_proxy: String,
    /// Hosts that are reached without the proxy.
    pub no_proxy: String,
    /// Which part of the guest components' REST interface is on.
    pub guest_components_rest_api: String,
    /// Up to which guest component processes are started.
    pub guest_components_procs: String,
    /// Protect the integrity of encrypted storage.
    pub secure_storage_integrity: bool,
    /// Policy file; it is read with the feature `policy` only.
    pub policy_file: String,
    /// Of the memory agent.
    pub mem_agent: mem_agent::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            debug_console: false,
            debug_console_vport: kata_agent_api::ports::DEBUG_CONSOLE,
            dev_mode: false,
            log_level: LevelFilter::Info,
            log_vport: 0,
            hotplug_timeout: Duration::from_secs(3),
            cdh_api_timeout: Duration::from_secs(50),
            image_pull_timeout: Duration::from_secs(1200),
            cdi_timeout: Duration::from_secs(100),
            launch_process_timeout: Duration::from_secs(6),
            visible_cdi_devices: false,
            container_pipe_size: 0,
            server_addr: format!("vsock://-1:{}", kata_agent_api::ports::TTRPC),
            passfd_listener_port: 0,
            unified_cgroup_hierarchy: true,
            tracing: false,
            https_proxy: String::new(),
            no_proxy: String::new(),
            guest_components_rest_api: "resource".to_owned(),
            guest_components_procs: "api-server-rest".to_owned(),
            secure_storage_integrity: true,
            policy_file: crate::policy::DEFAULT_FILE.to_owned(),
            mem_agent: mem_agent::Settings::default(),
        }
    }
}

impl Config {
    /// Reads all sources. Returns the settings and one warning a sentence for each
    /// thing that was not understood.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a configuration file was named and is not usable.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        let mut config = Self::default();
        let mut warnings = Vec::new();
        let parameters = cmdline::parse(&sources.cmdline);
        let named = parameters.iter().rev().find(|(name, _)| name == "agent.config_file");
        let file = sources
            .file
            .clone()
            .or_else(|| named.and_then(|(_, value)| value.as_deref()).map(PathBuf::from));
        if let Some(path) = file {
            let text = read_bounded(&path)
                .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            let table: toml::Table = text.parse().map_err(|source| ConfigError::Parse {
                path: path.clone(),
                source: Box::new(source),
            })?;
            for (key, value) in &table {
                if let Err(problem) = keys::set_from_file(&mut config, key, value) {
                    warnings.push(format!("{}: {problem}", path.display()));
                }
            }
        }
        for (name, value) in &parameters {
            if name == "agent.config_file" {
                continue;
            }
            if let Err(problem) = keys::set_from_cmdline(&mut config, name, value.as_deref()) {
                warnings.push(format!("kernel command line: {problem}"));
            }
        }
        for (name, value) in &sources.environment {
            if let Err(problem) = keys::set_from_environment(&mut config, name, value) {
                warnings.push(format!("environment: {problem}"));
            }
        }
        Ok((config, warnings))
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
