//! The operating system as far as the last steps of a new process need it: a narrow
//! trait, so that their order is tested without root. The mount calls are beside it
//! ([`mount_api`]); they are tested against runc.

pub(crate) mod attr;
mod linux;
pub(crate) mod mount_api;
#[cfg(test)]
pub(crate) mod recorder;

use std::io;
use std::path::Path;

pub(crate) use self::linux::Linux;

/// The three sets of capabilities that one call sets, a bit a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Capabilities {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
}

/// What a process does to itself before it becomes the container's program. The
/// functions do what the kernel's calls of about the same names do.
pub(crate) trait Os {
    /// Writes to a file of the kernel's that exists.
    fn write(&self, file: &Path, text: &str) -> io::Result<()>;
    /// sethostname(2)
    fn host_name(&self, name: &str) -> io::Result<()>;
    /// setdomainname(2)
    fn domain_name(&self, name: &str) -> io::Result<()>;
    /// umask(2)
    fn umask(&self, mask: u32);
    /// personality(2)
    fn personality(&self, domain: u32) -> io::Result<()>;
    /// Joins the keyring of this name that the process may search, or makes it, and adds
    /// these rights to it.
    fn session_keyring(&self, name: &str, rights: u32) -> io::Result<()>;
    /// Keeps other processes of the container from reaching into this one, and by it to
    /// the agent's program: PR_SET_DUMPABLE, off until the next program.
    fn shut(&self) -> io::Result<()>;
    /// PR_SET_NO_NEW_PRIVS
    fn no_new_privileges(&self) -> io::Result<()>;
    /// Loads a seccomp filter.
    fn seccomp(&self, program: &[libc::sock_filter], flags: u32) -> io::Result<()>;
    /// Whether the bounding set holds a capability; an error when there is no such.
    fn is_bounded(&self, capability: u8) -> io::Result<bool>;
    /// Takes a capability out of the bounding set.
    fn drop_bounding(&self, capability: u8) -> io::Result<()>;
    /// PR_SET_KEEPCAPS
    fn keep_capabilities(&self, keep: bool) -> io::Result<()>;
    /// What the process is permitted now.
    fn permitted(&self) -> io::Result<u64>;
    /// capset(2)
    fn set_capabilities(&self, sets: Capabilities) -> io::Result<()>;
    /// PR_CAP_AMBIENT_CLEAR_ALL
    fn clear_ambient(&self) -> io::Result<()>;
    /// PR_CAP_AMBIENT_RAISE
    fn raise_ambient(&self, capability: u8) -> io::Result<()>;
    /// setgroups(2)
    fn groups(&self, groups: &[u32]) -> io::Result<()>;
    /// setresgid(2) with one value
    fn group(&self, group: u32) -> io::Result<()>;
    /// setresuid(2) with one value
    fn user(&self, user: u32) -> io::Result<()>;
    /// chdir(2)
    fn change_directory(&self, to: &Path) -> io::Result<()>;
}
