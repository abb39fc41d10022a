//! The socket between host and guest.

use std::fs::OpenOptions;

/// Who moves the bytes on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VsockTransport {
    /// The host's kernel (/dev/vhost-vsock); the guest is reached by its CID.
    VhostKernel,
    /// A daemon in user space; the guest is reached through a Unix socket.
    VhostUser,
}

impl VsockTransport {
    /// The kernel's transport where this process may use it, else the daemon.
    #[must_use]
    pub fn of_this_host() -> Self {
        if OpenOptions::new().read(true).write(true).open("/dev/vhost-vsock").is_ok() {
            Self::VhostKernel
        } else {
            Self::VhostUser
        }
    }
}

/// A vsock as a caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct VsockConfig {
    /// The guest's context id. With the kernel's transport it must be unique
    /// on the host.
    pub guest_cid: u32,
    /// Who moves the bytes.
    pub transport: VsockTransport,
}

/// A vsock with a usable context id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vsock {
    guest_cid: u32,
    transport: VsockTransport,
}

/// Why a vsock is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VsockError {
    /// The id means something else.
    #[error("the context id {0} is reserved; guests use 3 to 4294967294")]
    ReservedCid(u32),
}

impl VsockConfig {
    /// Checks the context id.
    ///
    /// # Errors
    /// See [`VsockError`].
    pub fn validate(self) -> Result<Vsock, VsockError> {
        // 0 hypervisor, 1 local, 2 host, all ones: any.
        if self.guest_cid <= 2 || self.guest_cid == u32::MAX {
            return Err(VsockError::ReservedCid(self.guest_cid));
        }
        Ok(Vsock { guest_cid: self.guest_cid, transport: self.transport })
    }
}

impl Vsock {
    /// The guest's context id.
    #[must_use]
    pub fn guest_cid(self) -> u32 {
        self.guest_cid
    }

    /// Who moves the bytes.
    #[must_use]
    pub fn transport(self) -> VsockTransport {
        self.transport
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_context_ids_are_refused() {
        let check =
            |guest_cid| VsockConfig { guest_cid, transport: VsockTransport::VhostUser }.validate();
        for reserved in [0, 1, 2, u32::MAX] {
            assert_eq!(check(reserved), Err(VsockError::ReservedCid(reserved)));
        }
        assert_eq!(check(3).unwrap().guest_cid(), 3);
    }
}
