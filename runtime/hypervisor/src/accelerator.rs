//! Which accelerator runs the guest's instructions: KVM or TCG.
//!
//! The choice is made from facts about the host given by a [`HostProbe`], so
//! that the rule is tested without a host that has KVM.

use std::fs::{File, OpenOptions};
use std::io::Read;

use serde::{Deserialize, Serialize};

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceleratorChoice {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// TCG even where KVM works.
    Tcg,
}

/// What the machine runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// Hardware virtualisation.
    Kvm,
    /// Emulation. With `icount`, guest time counts instructions: one per
    /// nanosecond, idle time skipped, so it is the same on every host.
    Tcg {
        /// Count instructions.
        icount: bool,
    },
}

impl Accelerator {
    /// Whether guest time is instruction-counted.
    #[must_use]
    pub fn is_icount(self) -> bool {
        self == Self::Tcg { icount: true }
    }

    /// The name users type: `kvm` or `tcg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg { .. } => "tcg",
        }
    }
}

/// Why an accelerator can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// KVM was asked for but the host lacks it.
    #[error("KVM cannot be used: {0}; use --accel tcg, or --accel auto to fall back by itself")]
    NoKvm(&'static str),
    /// Instruction counting exists in TCG only.
    #[error("--icount needs TCG: it counts emulated instructions, and KVM emulates none")]
    IcountNeedsTcg,
}

/// The facts the choice depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostProbe {
    /// /dev/kvm can be opened for reading and writing.
    pub kvm_opens: bool,
    /// The processor announces vmx or svm.
    pub virtualisation_flag: bool,
}

impl HostProbe {
    /// Asks this host. A /dev/kvm node alone proves nothing: containers and
    /// nested machines often have the node without a processor behind it.
    #[must_use]
    pub fn of_this_host() -> Self {
        let kvm_opens = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
        let mut text = Vec::new();
        // One processor's block is enough; 64 KiB holds several.
        if let Ok(file) = File::open("/proc/cpuinfo") {
            let _ = file.take(64 * 1024).read_to_end(&mut text);
        }
        Self {
            kvm_opens,
            virtualisation_flag: announces_virtualisation(&String::from_utf8_lossy(&text)),
        }
    }

    fn missing(self) -> Option<&'static str> {
        if !self.virtualisation_flag {
            Some("the processor announces neither vmx nor svm")
        } else if !self.kvm_opens {
            Some("/dev/kvm cannot be opened for reading and writing")
        } else {
            None
        }
    }
}

fn announces_virtualisation(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .any(|word| word == "vmx" || word == "svm")
}

/// Decides what to run with.
///
/// # Errors
/// KVM was demanded and is not there, or was demanded together with `icount`.
pub fn choose(
    choice: AcceleratorChoice,
    icount: bool,
    probe: HostProbe,
) -> Result<Accelerator, AcceleratorError> {
    match (choice, probe.missing()) {
        (AcceleratorChoice::Kvm, _) if icount => Err(AcceleratorError::IcountNeedsTcg),
        (AcceleratorChoice::Kvm, Some(reason)) => Err(AcceleratorError::NoKvm(reason)),
        (AcceleratorChoice::Tcg, _) => Ok(Accelerator::Tcg { icount }),
        (AcceleratorChoice::Auto, _) if icount => Ok(Accelerator::Tcg { icount }),
        (AcceleratorChoice::Auto, Some(reason)) => {
            tracing::warn!(
                "KVM cannot be used ({reason}); the guest runs under TCG, several times slower"
            );
            Ok(Accelerator::Tcg { icount })
        }
        (AcceleratorChoice::Auto | AcceleratorChoice::Kvm, None) => Ok(Accelerator::Kvm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: HostProbe = HostProbe { kvm_opens: false, virtualisation_flag: false };
    const NODE_ONLY: HostProbe = HostProbe { kvm_opens: true, virtualisation_flag: false };
    const FULL: HostProbe = HostProbe { kvm_opens: true, virtualisation_flag: true };

    #[test]
    fn auto_needs_both_the_node_and_the_processor() {
        let auto = |probe| choose(AcceleratorChoice::Auto, false, probe);
        assert_eq!(auto(FULL), Ok(Accelerator::Kvm));
        assert_eq!(auto(NODE_ONLY), Ok(Accelerator::Tcg { icount: false }));
        assert_eq!(auto(BARE), Ok(Accelerator::Tcg { icount: false }));
        let locked = HostProbe { kvm_opens: false, virtualisation_flag: true };
        assert_eq!(auto(locked), Ok(Accelerator::Tcg { icount: false }));
    }

    #[test]
    fn icount_means_tcg_even_where_kvm_works() {
        assert_eq!(
            choose(AcceleratorChoice::Auto, true, FULL),
            Ok(Accelerator::Tcg { icount: true })
        );
        assert_eq!(
            choose(AcceleratorChoice::Kvm, true, FULL),
            Err(AcceleratorError::IcountNeedsTcg)
        );
    }

    #[test]
    fn demanding_kvm_without_it_names_the_reason() {
        let error = choose(AcceleratorChoice::Kvm, false, NODE_ONLY).unwrap_err();
        assert!(error.to_string().contains("neither vmx nor svm"), "{error}");
    }

    #[test]
    fn flags_are_whole_words_on_the_flags_line() {
        assert!(announces_virtualisation("processor\t: 0\nflags\t\t: fpu vmx sse\n"));
        assert!(announces_virtualisation("flags : svm"));
        assert!(!announces_virtualisation("model name : svm\nflags : vmxoff svm_lock\n"));
    }
}
