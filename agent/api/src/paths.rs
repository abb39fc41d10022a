//! Paths in the guest that the host names in requests.

/// Everything of the agent at run time.
pub const RUN: &str = "/run/kata-containers";
/// What belongs to the sandbox: shared memory, resolv.conf.
pub const SANDBOX: &str = "/run/kata-containers/sandbox";
/// Container files from the host; `CopyFile` writes here and nowhere else.
pub const SHARED_CONTAINERS: &str = "/run/kata-containers/shared/containers";
