//! A virtual machine as the rest of the runtime sees it.
//!
//! [`Hypervisor`] names what any virtual machine can do; [`device`] says what
//! a machine is made of; [`qemu`] is the driver that turns both into a child
//! process. Nothing here knows of containers, OCI, containerd or the agent's
//! RPCs: a vsock port is a number, a root disk is a file.
//!
//! ```text
//! MachineConfig ──validate──► Machine ──qemu::command_line──► arguments
//!                                └─────qemu::QemuVm::start──► processes, QMP, console
//! ```

pub mod accelerator;
pub mod console;
pub mod device;
pub mod error;
pub mod process;
pub mod qemu;
pub mod tools;
pub mod vm;
pub mod vsock;

pub use accelerator::{Accelerator, AcceleratorChoice};
pub use console::{Console, ConsoleLine};
pub use error::HypervisorError;
pub use process::ProcessExit;
pub use tools::{Tool, ToolPaths};
pub use vm::{Hypervisor, VmEvent, VmExit};
