//! vsock port numbers. Fixed by every runtime and agent in use.

/// The agent listens here for ttRPC.
pub const TTRPC: u32 = 1024;
/// The agent listens here for readers of its log, when asked to.
pub const LOG: u32 = 1025;
/// The agent listens here for a shell, when asked to.
pub const DEBUG_CONSOLE: u32 = 1026;
/// The agent listens here for connections that become standard streams.
pub const PASSFD: u32 = 1027;
/// The *host* listens here for trace spans.
pub const TRACE: u32 = 10240;
