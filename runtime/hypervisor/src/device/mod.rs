//! What a machine is made of. One file a device: the configuration as a caller
//! writes it, its validated twin (whose fields can't be set from outside), and
//! an error enum.
//!
//! Nothing here knows how a monitor spells a device on its command line.

pub mod cpus;
pub mod initrd;
pub mod kernel;
pub mod machine;
pub mod memory;
pub mod nvdimm;
pub mod serial_console;
pub mod virtio_blk;
pub mod vsock;

use std::fs::File;
use std::io;
use std::path::Path;

pub use cpus::{Cpus, CpusConfig};
pub use initrd::{Initrd, InitrdConfig};
pub use kernel::{Kernel, KernelConfig};
pub use machine::{Machine, MachineConfig};
pub use memory::{Memory, MemoryConfig};
pub use nvdimm::{Nvdimm, NvdimmConfig};
pub use serial_console::{SerialConsole, SerialConsoleConfig};
pub use virtio_blk::{VirtioBlk, VirtioBlkConfig};
pub use vsock::{Vsock, VsockConfig, VsockTransport};

/// Why a device's configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] kernel::KernelError),
    /// The initrd.
    #[error(transparent)]
    Initrd(#[from] initrd::InitrdError),
    /// The memory.
    #[error(transparent)]
    Memory(#[from] memory::MemoryError),
    /// The processors.
    #[error(transparent)]
    Cpus(#[from] cpus::CpusError),
    /// The NVDIMM.
    #[error(transparent)]
    Nvdimm(#[from] nvdimm::NvdimmError),
    /// A disk.
    #[error(transparent)]
    VirtioBlk(#[from] virtio_blk::VirtioBlkError),
    /// The vsock.
    #[error(transparent)]
    Vsock(#[from] vsock::VsockError),
    /// The serial console.
    #[error(transparent)]
    SerialConsole(#[from] serial_console::SerialConsoleError),
    /// The machine as a whole.
    #[error(transparent)]
    Machine(#[from] machine::MachineError),
}

/// Opens `path` for reading and gives its size, refusing what is no plain
/// file, so that a wrong path fails here and not inside the monitor.
fn regular_file_size(path: &Path) -> io::Result<u64> {
    let meta = File::open(path)?.metadata()?;
    if meta.is_file() {
        Ok(meta.len())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}
