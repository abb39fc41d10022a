//! Ways to break a guest on purpose, so that each failure class can be shown
//! to be recognised on a real guest and not only on recorded text.
//!
//! Each breakage changes a healthy request; nothing here boots. Some rely on
//! programs in the guest (`false`, `sh`, `date`), as a guest of busybox or of
//! coreutils has them.

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
    /// Init is a program that ends at once.
    InitDied,
    /// The agent is told to listen where it can't.
    AgentGivesUp,
    /// systemd may not start the agent's unit (images with systemd).
    AgentMasked,
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
    /// The clock is set to the year 2001 before init starts.
    ClockWrong,
    /// Less memory in use is expected than any guest can do with.
    ChecksFailed,
}

/// What init is replaced by to put the clock wrong: 1,000,000,000 seconds after
/// 1970. The kernel hands everything after the two dashes to init.
const WRONG_CLOCK: &str = "date -s @1000000000; exec";

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoRootDevice,
        Self::WrongFilesystem,
        Self::NoInit,
        Self::InitDied,
        Self::AgentGivesUp,
        Self::AgentMasked,
        Self::AgentSilent,
        Self::NoVsock,
        Self::NoVirtio,
        Self::OutOfMemory,
        Self::KernelSilent,
        Self::VersionMismatch,
        Self::ClockWrong,
        Self::ChecksFailed,
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
            Self::InitDied if request.rootfs.is_initrd() => "rdinit=/bin/false",
            Self::InitDied => "init=/bin/false",
            Self::AgentGivesUp => "agent.server_addr=bogus://x",
            Self::AgentMasked => "systemd.mask=kata-agent.service",
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
            Self::ClockWrong => {
                let (name, init) = match request.rootfs {
                    Rootfs::Initrd(_) => ("rdinit", "/init"),
                    Rootfs::Image { .. } => ("init", "/sbin/init"),
                };
                let param = format!("{name}=/bin/sh -- -c \"{WRONG_CLOCK} {init}\"");
                request.extra_kernel_params.push(param);
                return;
            }
            Self::ChecksFailed => {
                request.expect.memory_used_limit = Some(1024 * 1024);
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
