//! Why a machine could not be made, started, asked or ended.
//!
//! One enum for all drivers, so that callers match on what happened and not on
//! which monitor it happened to.

use std::path::PathBuf;

use crate::accelerator::AcceleratorError;
use crate::device::DeviceError;
use crate::process::{ProcessError, ProcessExit};
use crate::qemu::QmpError;
use crate::tools::ToolError;

/// Any failure of a [`crate::Hypervisor`].
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// A device of the machine is not acceptable.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The accelerator asked for can't be had on this host.
    #[error(transparent)]
    Accelerator(#[from] AcceleratorError),
    /// A program is not installed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A child process could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file or folder of the machine could not be made.
    #[error("cannot prepare {path} for the virtual machine")]
    Prepare {
        /// What could not be made.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A Unix socket's path does not fit into the kernel's address structure.
    #[error("the socket path {0} is longer than 107 bytes; choose a shorter working folder")]
    SocketPathTooLong(PathBuf),
    /// The monitor or its helper left while it was being started.
    #[error("{program} ended during start ({exit}){}", tail(.stderr))]
    Exited {
        /// Which program.
        program: String,
        /// How it ended.
        exit: ProcessExit,
        /// Its last lines on standard error.
        stderr: Vec<String>,
    },
    /// The monitor or its helper did not become ready in time.
    #[error("{program} did not become ready within {seconds} s{}", tail(.stderr))]
    NotReady {
        /// Which program.
        program: String,
        /// The deadline that passed.
        seconds: u64,
        /// Its last lines on standard error.
        stderr: Vec<String>,
    },
    /// The monitor's control connection failed.
    #[error(transparent)]
    Control(#[from] QmpError),
    /// The machine was used before `start`.
    #[error("the virtual machine has not been started")]
    NotStarted,
    /// `start` was called twice.
    #[error("the virtual machine has been started before; make a new one instead")]
    AlreadyStarted,
}

fn tail(stderr: &[String]) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {}", stderr.join("; ")) }
}
