//! Limits of a process. The starter sets them from outside: within a user namespace
//! the process itself could not raise one.

use std::io;

use nix::errno::Errno;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType};

use crate::spec::Invalid;

/// The kernel's number of a limit.
fn number(kind: PosixRlimitType) -> libc::__rlimit_resource_t {
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

/// Checks that each limit is there once and its soft value within the hard one.
pub(crate) fn check(limits: &[PosixRlimit]) -> Result<(), Invalid> {
    for (index, limit) in limits.iter().enumerate() {
        let at = || format!("process.rlimits[{index}]");
        if limit.soft() > limit.hard() {
            return Err(Invalid::new(at(), "the soft limit is above the hard one"));
        }
        if limits.iter().take(index).any(|other| other.typ() == limit.typ()) {
            return Err(Invalid::new(at(), format!("{:?} is there twice", limit.typ())));
        }
    }
    Ok(())
}

/// Sets one limit of another process.
pub(crate) fn set(pid: i32, limit: &PosixRlimit) -> io::Result<()> {
    let value = libc::rlimit { rlim_cur: limit.soft(), rlim_max: limit.hard() };
    // SAFETY: `value` outlives the call and no old value is asked for.
    let done =
        unsafe { libc::prlimit(pid, number(limit.typ()), &raw const value, std::ptr::null_mut()) };
    Errno::result(done)?;
    Ok(())
}
