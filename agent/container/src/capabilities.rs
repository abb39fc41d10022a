//! The five sets of capabilities of a program. What the kernel does not know, or this
//! process does not hold itself, is left out, as runc does.

use oci_spec::runtime::{Capability, LinuxCapabilities};

use crate::error::{During, Error};
use crate::os::{Capabilities, Os};

/// The kernel's number of a capability.
fn number(capability: Capability) -> u8 {
    match capability {
        Capability::Chown => 0,
        Capability::DacOverride => 1,
        Capability::DacReadSearch => 2,
        Capability::Fowner => 3,
        Capability::Fsetid => 4,
        Capability::Kill => 5,
        Capability::Setgid => 6,
        Capability::Setuid => 7,
        Capability::Setpcap => 8,
        Capability::LinuxImmutable => 9,
        Capability::NetBindService => 10,
        Capability::NetBroadcast => 11,
        Capability::NetAdmin => 12,
        Capability::NetRaw => 13,
        Capability::IpcLock => 14,
        Capability::IpcOwner => 15,
        Capability::SysModule => 16,
        Capability::SysRawio => 17,
        Capability::SysChroot => 18,
        Capability::SysPtrace => 19,
        Capability::SysPacct => 20,
        Capability::SysAdmin => 21,
        Capability::SysBoot => 22,
        Capability::SysNice => 23,
        Capability::SysResource => 24,
        Capability::SysTime => 25,
        Capability::SysTtyConfig => 26,
        Capability::Mknod => 27,
        Capability::Lease => 28,
        Capability::AuditWrite => 29,
        Capability::AuditControl => 30,
        Capability::Setfcap => 31,
        Capability::MacOverride => 32,
        Capability::MacAdmin => 33,
        Capability::Syslog => 34,
        Capability::WakeAlarm => 35,
        Capability::BlockSuspend => 36,
        Capability::AuditRead => 37,
        Capability::Perfmon => 38,
        Capability::Bpf => 39,
        Capability::CheckpointRestore => 40,
    }
}

/// Sets of capabilities, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sets {
    bounding: u64,
    now: Capabilities,
    ambient: u64,
}

impl Sets {
    /// What a spec lists; without a list there are none.
    pub(crate) fn of(spec: Option<&LinuxCapabilities>) -> Self {
        let Some(spec) = spec else { return Self::default() };
        let set = |list: &Option<std::collections::HashSet<Capability>>| {
            list.iter().flatten().fold(0, |set, one| set | 1_u64 << number(*one))
        };
        Self {
            bounding: set(spec.bounding()),
            now: Capabilities {
                effective: set(spec.effective()),
                permitted: set(spec.permitted()),
                inheritable: set(spec.inheritable()),
            },
            ambient: set(spec.ambient()),
        }
    }

    /// Takes everything out of the bounding set that the program must never get. Needs
    /// rights, so it comes before the user changes.
    pub(crate) fn bound(&self, os: &dyn Os) -> Result<(), Error> {
        for capability in 0..64 {
            // The first unknown one is the end of the kernel's list.
            let Ok(held) = os.is_bounded(capability) else { break };
            if held && self.bounding & (1 << capability) == 0 {
                os.drop_bounding(capability)
                    .during(|| format!("can't drop the capability {capability} for good"))?;
            }
        }
        Ok(())
    }

    /// Sets the other four.
    pub(crate) fn apply(&self, os: &dyn Os) -> Result<(), Error> {
        let held = os.permitted().during(|| "can't read the own capabilities")?;
        let known = (0..64)
            .take_while(|&one| os.is_bounded(one).is_ok())
            .fold(0, |set, one| set | 1 << one);
        let permitted = self.now.permitted & held & known;
        let sets = Capabilities {
            effective: self.now.effective & held & known,
            permitted,
            inheritable: self.now.inheritable & known & (held | permitted),
        };
        os.clear_ambient().during(|| "can't clear the ambient capabilities")?;
        os.set_capabilities(sets).during(|| "can't set the capabilities")?;
        for capability in 0..64 {
            let bit = 1 << capability;
            // The kernel takes only what is permitted and inheritable.
            if self.ambient & bit & sets.permitted & sets.inheritable != 0 {
                os.raise_ambient(capability)
                    .during(|| format!("can't make the capability {capability} ambient"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use expect_test::expect;
    use oci_spec::runtime::LinuxCapabilitiesBuilder;

    use super::*;
    use crate::os::recorder::Recorder;

    fn sets(list: &[Capability]) -> Sets {
        let list: HashSet<Capability> = list.iter().copied().collect();
        let spec = LinuxCapabilitiesBuilder::default()
            .bounding(list.clone())
            .effective(list.clone())
            .permitted(list.clone())
            .inheritable(list.clone())
            .ambient(list)
            .build()
            .expect("it is whole");
        Sets::of(Some(&spec))
    }

    #[test]
    fn what_is_not_held_is_left_out() {
        let os = Recorder::holding(0b1010_0001);
        let wanted = sets(&[Capability::Chown, Capability::Kill, Capability::SysAdmin]);
        wanted.bound(&os).expect("it works");
        wanted.apply(&os).expect("it works");
        expect![[r#"
            drop bounding 7
            clear ambient
            capabilities 21 21 21
            raise ambient 0
            raise ambient 5
        "#]]
        .assert_eq(&os.lines());
    }

    #[test]
    fn no_list_means_no_capability() {
        let os = Recorder::holding(0b11);
        Sets::of(None).bound(&os).expect("it works");
        Sets::of(None).apply(&os).expect("it works");
        expect![[r#"
            drop bounding 0
            drop bounding 1
            clear ambient
            capabilities 0 0 0
        "#]]
        .assert_eq(&os.lines());
    }
}
