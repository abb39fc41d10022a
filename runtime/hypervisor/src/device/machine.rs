//! The whole machine: its devices, and the rules between them.

use super::{
    Cpus, CpusConfig, DeviceError, Initrd, InitrdConfig, Kernel, KernelConfig, Memory,
    MemoryConfig, Nvdimm, NvdimmConfig, SerialConsole, SerialConsoleConfig, VirtioBlk,
    VirtioBlkConfig, Vsock, VsockConfig,
};
use crate::accelerator::Accelerator;

/// The most disks one machine takes: they share one PCI bus with the rest.
pub const MOST_DISKS: usize = 16;

/// A machine as a caller asks for it.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// The kernel.
    pub kernel: KernelConfig,
    /// The initrd, if the guest lives in one.
    pub initrd: Option<InitrdConfig>,
    /// RAM.
    pub memory: MemoryConfig,
    /// Processors.
    pub cpus: CpusConfig,
    /// The image mapped as NVDIMM, seen by the guest as /dev/pmem0.
    pub nvdimm: Option<NvdimmConfig>,
    /// Disks in the order of their letters: vda, vdb, …
    pub disks: Vec<VirtioBlkConfig>,
    /// The socket to the guest.
    pub vsock: Option<VsockConfig>,
    /// The serial console.
    pub console: SerialConsoleConfig,
}

/// A machine whose every part is acceptable, alone and together.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) accelerator: Accelerator,
    pub(crate) kernel: Kernel,
    pub(crate) initrd: Option<Initrd>,
    pub(crate) memory: Memory,
    pub(crate) cpus: Cpus,
    pub(crate) nvdimm: Option<Nvdimm>,
    pub(crate) disks: Vec<VirtioBlk>,
    pub(crate) vsock: Option<Vsock>,
    pub(crate) console: SerialConsole,
}

/// Why parts do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// Instruction counting is defined for one processor only.
    #[error(
        "instruction counting needs exactly one processor, not {0}; drop --icount or ask for one"
    )]
    IcountCpus(u32),
    /// The bus is full.
    #[error("{0} disks are more than the 16 a machine takes")]
    TooManyDisks(usize),
    /// The initrd would not fit beside its own unpacked content.
    #[error(
        "the initrd of {initrd_mib} MiB does not fit into {memory_mib} MiB of memory; give the guest more"
    )]
    InitrdTooLarge {
        /// Size of the archive, rounded down.
        initrd_mib: u64,
        /// Size of the RAM.
        memory_mib: u64,
    },
}

impl MachineConfig {
    /// Checks every device, then the rules between them.
    ///
    /// # Errors
    /// The first device that is refused, or a rule between devices.
    pub fn validate(self) -> Result<Machine, DeviceError> {
        let machine = Machine {
            accelerator: self.accelerator,
            kernel: self.kernel.validate()?,
            initrd: self.initrd.map(InitrdConfig::validate).transpose()?,
            memory: self.memory.validate()?,
            cpus: self.cpus.validate()?,
            nvdimm: self.nvdimm.map(NvdimmConfig::validate).transpose()?,
            disks: self
                .disks
                .into_iter()
                .map(VirtioBlkConfig::validate)
                .collect::<Result<_, _>>()?,
            vsock: self.vsock.map(VsockConfig::validate).transpose()?,
            console: self.console.validate()?,
        };
        machine.check_rules()?;
        Ok(machine)
    }
}

impl Machine {
    fn check_rules(&self) -> Result<(), MachineError> {
        if self.accelerator.is_icount() && self.cpus.count() != 1 {
            return Err(MachineError::IcountCpus(self.cpus.count()));
        }
        if self.disks.len() > MOST_DISKS {
            return Err(MachineError::TooManyDisks(self.disks.len()));
        }
        if let Some(initrd) = &self.initrd {
            let initrd_mib = initrd.size() / (1024 * 1024);
            if initrd_mib >= self.memory.mib() {
                return Err(MachineError::InitrdTooLarge {
                    initrd_mib,
                    memory_mib: self.memory.mib(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::device::VsockTransport;

    /// A small machine whose files are made in `dir`.
    pub(crate) fn machine_in(dir: &Path) -> MachineConfig {
        std::fs::write(dir.join("vmlinuz"), "kernel").unwrap();
        MachineConfig {
            accelerator: Accelerator::Tcg { icount: false },
            kernel: KernelConfig {
                path: dir.join("vmlinuz"),
                params: vec!["console=ttyS0".into(), "panic=-1".into()],
            },
            initrd: None,
            memory: MemoryConfig { mib: 512 },
            cpus: CpusConfig { count: 1 },
            nvdimm: None,
            disks: Vec::new(),
            vsock: Some(VsockConfig { guest_cid: 3, transport: VsockTransport::VhostUser }),
            console: SerialConsoleConfig { log: dir.join("console.log") },
        }
    }

    #[test]
    fn icount_is_refused_with_two_processors() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = machine_in(dir.path());
        config.accelerator = Accelerator::Tcg { icount: true };
        config.cpus.count = 2;
        let error = config.clone().validate().unwrap_err();
        assert!(matches!(error, DeviceError::Machine(MachineError::IcountCpus(2))), "{error}");
        config.cpus.count = 1;
        assert!(config.validate().is_ok());
    }

    #[test]
    fn an_initrd_larger_than_the_memory_is_refused_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = machine_in(dir.path());
        let path = dir.path().join("initrd");
        std::fs::File::create(&path).unwrap().set_len(600 << 20).unwrap();
        config.initrd = Some(InitrdConfig { path });
        let error = config.validate().unwrap_err();
        assert!(error.to_string().contains("600 MiB does not fit into 512 MiB"), "{error}");
    }

    #[test]
    fn too_many_disks_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = machine_in(dir.path());
        let path = dir.path().join("disk");
        std::fs::File::create(&path).unwrap().set_len(512).unwrap();
        config.disks =
            vec![VirtioBlkConfig { path, read_only: true, serial: None }; MOST_DISKS + 1];
        let error = config.validate().unwrap_err();
        assert!(matches!(error, DeviceError::Machine(MachineError::TooManyDisks(17))), "{error}");
    }
}
