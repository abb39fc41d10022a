//! The contract between host and guest: the agent protocol over ttRPC, and the
//! names, ports and paths that both sides must agree on.
//!
//! This crate is the only one that host and guest share. It must know neither of
//! them: no containers, no hypervisors, no policy.

mod boot_report;
#[cfg(feature = "client")]
pub mod connect;
mod generated;
pub mod paths;
pub mod ports;
#[cfg(feature = "spec")]
pub mod spec;

pub use boot_report::{
    BOOT_REPORT, BootReport, Clock, Memory, MountEntry, ProcessOne, RootMount, Systemd,
};
/// Messages of agent.proto: sandbox, containers, processes and devices.
pub use generated::agent;
/// Client, server trait and registration of `grpc.AgentService`.
pub use generated::agent_ttrpc;
/// Messages of csi.proto: volume usage and health.
pub use generated::csi;
/// Messages of health.proto.
pub use generated::health;
/// Client, server trait and registration of `grpc.Health`.
pub use generated::health_ttrpc;
/// Messages of oci.proto: the container configuration.
pub use generated::oci;
/// Messages of types.proto: interfaces, routes and addresses.
pub use generated::types;

/// Version of this protocol, as `Version` answers it in `grpc_version`.
pub const API_VERSION: &str = "0.0.1";

/// Full name of the agent's service on the wire.
pub const AGENT_SERVICE: &str = "grpc.AgentService";

/// Full name of the health service on the wire.
pub const HEALTH_SERVICE: &str = "grpc.Health";
