//! Ways to break a guest on purpose, so that each failure class can be shown
//! to be recognised on a real guest and not only on recorded text.
//!
//! Each breakage changes a healthy request; nothing here boots.

use crate::request::{BootRequest, RootDriver, Rootfs};

/// One way to break a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// The root names a device that is not there (images).
    NoRootDevice,
    /// The root is of another type than the kernel is told (images).
    WrongFilesystem,
    /// Init names a program that is not there.
    NoInit,
    /// The agent listens on a port nobody asks.
    AgentSilent,
    /// The vsock driver is not started.
    NoVsock,
    /// The virtio transport is not started (images on virtio-blk).
    NoVirtio,
    /// Far too little memory.
    OutOfMemory,
    /// The kernel hangs before it writes anything.
    KernelSilent,
    /// Another agent version is expected than there is.
    VersionMismatch,
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoRootDevice,
        Self::WrongFilesystem,
        Self::NoInit,
        Self::AgentSilent,
        Self::NoVsock,
        Self::NoVirtio,
        Self::OutOfMemory,
        Self::KernelSilent,
        Self::VersionMismatch,
    ];

    /// Breaks `request`.
    pub fn apply(self, request: &mut BootRequest) {
        let param = match self {
            Self::NoRootDevice => match request.rootfs {
                Rootfs::Image { driver: RootDriver::NvdimmDax, .. } => "root=/dev/pmem9p1",
                _ => "root=/dev/vdz9",
            },
            Self::WrongFilesystem => match &mut request.rootfs {
                Rootfs::Image { fstype, .. } => {
                    *fstype = if fstype == "erofs" { "ext4" } else { "erofs" }.to_owned();
                    return;
                }
                Rootfs::Initrd(_) => return,
            },
            Self::NoInit if request.rootfs.is_initrd() => "rdinit=/no/such/init",
            Self::NoInit => "init=/no/such/init",
            Self::AgentSilent => "agent.server_addr=vsock://-1:9999",
            Self::NoVsock => "initcall_blacklist=vsock_init,virtio_vsock_init",
            Self::NoVirtio => "initcall_blacklist=virtio_pci_driver_init,virtio_pci_init",
            // Enough to set up the console, too little to go on.
            Self::OutOfMemory => "mem=8M",
            // Too little even for the console.
            Self::KernelSilent => "mem=4M",
            Self::VersionMismatch => {
                request.expect.agent_version = Some("0.0.0-other".to_owned());
                return;
            }
        };
        request.extra_kernel_params.push(param.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breakage_changes_an_image_request() {
        let image = Rootfs::Image {
            path: "guest.img".into(),
            driver: RootDriver::VirtioBlk,
            fstype: "ext4".into(),
        };
        let healthy = BootRequest::new("vmlinuz", image, "work");
        for breakage in Breakage::ALL {
            let mut broken = healthy.clone();
            breakage.apply(&mut broken);
            assert_ne!(format!("{broken:?}"), format!("{healthy:?}"), "{breakage:?}");
        }
    }
}
