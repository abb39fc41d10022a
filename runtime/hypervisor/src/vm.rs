//! The trait every virtual machine monitor implements, and what it reports.
//!
//! Only words about machines belong here: no QMP, no command line, no jailer.
//! A driver that needs such a word keeps it to itself.

use std::path::Path;
use std::time::Duration;

use crate::console::Console;
use crate::error::HypervisorError;
use crate::process::ProcessExit;
use crate::vsock::VsockAddress;

/// Something the machine did by itself while it ran, in the order seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmEvent {
    /// The guest powered itself off in an orderly way.
    GuestShutdown,
    /// The guest asked for a reset. Since no machine here ever reboots, this
    /// is how a kernel panic with `panic=-1` looks from outside.
    GuestReset,
    /// The guest told its panic device that its kernel is dead.
    GuestPanicked,
    /// The host ended the machine (stop, or a signal to the monitor).
    HostStopped,
    /// Any other event, by the monitor's own name for it.
    Other(String),
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmExit {
    /// How the monitor's process ended.
    pub process: ProcessExit,
    /// The events seen over the machine's life, oldest first.
    pub events: Vec<VmEvent>,
    /// The last lines the monitor wrote to its standard error.
    pub stderr: Vec<String>,
}

impl VmExit {
    /// Whether the guest powered itself off and the monitor left without error.
    #[must_use]
    pub fn is_guest_shutdown(&self) -> bool {
        self.process.success() && self.events.contains(&VmEvent::GuestShutdown)
    }
}

/// One virtual machine. Dropping it kills and reaps every process it started
/// and removes every file it made.
#[async_trait::async_trait]
pub trait Hypervisor: Send + Sync {
    /// Starts the machine and returns once the monitor answers; the guest is
    /// then running, but has not necessarily printed anything.
    ///
    /// # Errors
    /// A device or tool is missing, or the monitor refused the machine.
    async fn start(&mut self) -> Result<(), HypervisorError>;

    /// Waits until the machine has ended by itself. Safe to cancel.
    ///
    /// # Errors
    /// The machine was never started.
    async fn wait(&self) -> Result<VmExit, HypervisorError>;

    /// Ends the machine: asks the monitor to leave, and kills it when
    /// `deadline` has passed. Returns how it ended.
    ///
    /// # Errors
    /// The machine was never started.
    async fn stop(&mut self, deadline: Duration) -> Result<VmExit, HypervisorError>;

    /// Asks the guest to power off, as pressing the power button would.
    ///
    /// # Errors
    /// The monitor does not answer.
    async fn press_power_button(&self) -> Result<(), HypervisorError>;

    /// Process ids of the monitor and its helpers that are still running.
    fn pids(&self) -> Vec<u32>;

    /// What the guest wrote to its serial console so far.
    fn console(&self) -> Console;

    /// The file that receives the raw bytes of the serial console.
    fn console_path(&self) -> &Path;

    /// Where the host reaches the guest's vsock ports, if there is a vsock.
    fn vsock(&self) -> Option<VsockAddress>;

    /// The events seen so far, oldest first.
    fn events(&self) -> Vec<VmEvent>;
}
