//! Proves that a guest boots: starts it under a hypervisor, talks to its
//! agent, checks what it says, watches it power off, and reports a timeline.
//! When it fails, the report names the stage, the reason and the kernel option
//! or package that is most likely at fault.
//!
//! ```text
//! BootRequest ─► boot() ─┬─► BootReport  (timeline, checks) ─► to_json, to_svg
//!                        └─► BootFailure (class, evidence, console)
//! ```
//!
//! It must not know how images and kernels are built, nor how to build them.

mod agent;
mod bench;
mod boot;
pub mod breakage;
pub mod checks;
pub mod classify;
mod failure;
pub mod report;
pub mod request;
mod svg;
pub mod timeline;

pub use agent_suite::bench::{AIM_BINARY, AIM_RESIDENT, Footprint, Measured, Plan};
pub use boot::boot;
pub use breakage::Breakage;
pub use checks::{Check, Expectations, Init};
pub use classify::{Diagnosis, FailureClass};
pub use failure::{BootFailure, Outcome};
pub use hypervisor::{AcceleratorChoice, ToolPaths};
pub use report::BootReport;
pub use request::{Bench, BootRequest, Extension, RootDriver, Rootfs, Suite};
pub use timeline::{Stage, StageTime, Timeline};
