//! The guest agent as a library: what `main` starts, and what the tests drive
//! without a guest. Must not know the host: no hypervisor, no container engine.

pub mod config;
pub mod console;
pub mod container;
pub mod device;
pub mod extension;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod init;
pub mod logger;
pub mod mem_agent;
pub mod network;
pub mod os;
pub mod panic;
mod plain_path;
pub mod policy;
pub mod process;
pub mod procfs;
pub mod reaper;
pub mod report;
pub mod resources;
pub mod rpc;
pub mod run;
pub mod sandbox;
pub mod server;
pub mod storage;
pub mod trace;
pub mod uevent;

/// Version of the agent, as `Version` answers it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
