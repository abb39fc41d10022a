//! From what was seen of a guest that did not answer to the reason why.
//!
//! A pure function over console lines, events and the monitor's exit. Rules
//! are tried from cause to consequence: memory that ran out also kills init,
//! and a missing init also ends in a panic.

mod rules;

use hypervisor::{VmEvent, VmExit};
use serde::{Deserialize, Serialize};

use crate::timeline::Stage;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FailureClass {
    /// The hypervisor could not run the machine.
    HypervisorFailed,
    /// Not one line from the kernel.
    KernelSilent,
    /// Memory ran out.
    OutOfMemory,
    /// The device named by `root=` is not there.
    NoRootDevice,
    /// dm-verity found bytes that are not the measured ones, or no such tree.
    Tampered,
    /// The root is there but can't be mounted.
    WrongFilesystem,
    /// There is no program to run as init.
    NoInit,
    /// Init started and ended.
    InitDied,
    /// The kernel has no virtio transport or driver for a device it needs.
    NoVirtio,
    /// The kernel has no vsock.
    NoVsock,
    /// The agent did not answer until the deadline.
    AgentSilent,
    /// The kernel panicked for another reason.
    GuestPanic,
    /// The agent is not the expected one.
    VersionMismatch {
        /// What was expected.
        expected: String,
        /// What answered.
        found: String,
    },
    /// The guest's clock is not the host's.
    ClockWrong {
        /// How far ahead the guest is, in milliseconds.
        skew_ms: i64,
    },
    /// The guest answers, but is not what it should be.
    ChecksFailed {
        /// The names of the comparisons that failed.
        names: Vec<String>,
    },
}

impl FailureClass {
    /// The name in messages, and of the `kind` in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::HypervisorFailed => "hypervisor-failed",
            Self::KernelSilent => "kernel-silent",
            Self::OutOfMemory => "out-of-memory",
            Self::NoRootDevice => "no-root-device",
            Self::Tampered => "tampered",
            Self::WrongFilesystem => "wrong-filesystem",
            Self::NoInit => "no-init",
            Self::InitDied => "init-died",
            Self::NoVirtio => "no-virtio",
            Self::NoVsock => "no-vsock",
            Self::AgentSilent => "agent-silent",
            Self::GuestPanic => "guest-panic",
            Self::VersionMismatch { .. } => "version-mismatch",
            Self::ClockWrong { .. } => "clock-wrong",
            Self::ChecksFailed { .. } => "checks-failed",
        }
    }
}

/// A class with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The class.
    pub class: FailureClass,
    /// One sentence.
    pub explanation: String,
    /// The line that shows it.
    pub evidence: Option<String>,
    /// The kernel options, packages or settings most likely at fault.
    pub suspect: Option<String>,
}

/// Everything the classifier may look at.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The console, oldest line first.
    pub console: &'a [String],
    /// The events of the machine.
    pub events: &'a [VmEvent],
    /// How the machine ended, if it ended by itself.
    pub exit: Option<&'a VmExit>,
    /// The root is an initrd.
    pub initrd: bool,
}

/// How far the guest came, judged by its console.
#[must_use]
pub fn stage_reached(console: &[String]) -> Stage {
    let has = |text: &str| console.iter().any(|line| line.contains(text));
    if console.iter().any(|line| crate::timeline::agent_listens(line)) {
        Stage::Agent
    } else if has(" as init process") {
        Stage::Init
    } else if has("Linux version ")
        || console.iter().any(|line| crate::timeline::stamp_ns(line).is_some())
    {
        Stage::Kernel
    } else {
        Stage::Firmware
    }
}

/// Whether a guest that wrote this line to its console is past hope, so that
/// waiting for its agent makes no sense.
#[must_use]
pub fn is_last_word(line: &str) -> bool {
    rules::is_last_word(line)
}

/// Finds the reason. Always finds one: a guest that shows nothing wrong and
/// does not answer is [`FailureClass::AgentSilent`].
#[must_use]
pub fn classify(evidence: &Evidence<'_>) -> Diagnosis {
    let rules = [
        rules::hypervisor_failed,
        rules::kernel_silent,
        rules::out_of_memory,
        rules::tampered,
        rules::no_vsock_said_by_agent,
        rules::no_init,
        rules::wrong_filesystem,
        rules::no_root_device,
        rules::init_died,
        rules::guest_panic,
        rules::no_vsock_in_kernel,
        rules::no_vsock_device,
    ];
    rules
        .into_iter()
        .find_map(|rule| rule(evidence))
        .unwrap_or_else(|| rules::agent_silent(evidence))
}

#[cfg(test)]
mod tests;
