//! Seccomp filters: a spec's rules, with an action, an errno and conditions on arguments
//! each, compiled to the kernel's classic BPF as libseccomp and runc do it.
//!
//! Rules of a syscall are tried in their order; one without conditions outranks all
//! others. A syscall newer than any that the filter names ends with ENOSYS where the
//! filter would not allow it, so that C libraries fall back to older ones.

mod arch;
mod assemble;
mod condition;
mod rules;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

use self::arch::Arch;
use crate::spec::Invalid;

const AT: &str = "linux.seccomp";

/// A filter ready to be loaded.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The program.
    pub program: Vec<libc::sock_filter>,
    /// Flags of seccomp(2).
    pub flags: u32,
}

/// What the kernel does with a call: an action with its 16 bits of data.
pub(crate) type Outcome = u32;

const KILL_THREAD: Outcome = 0;
const ALLOW: Outcome = libc::SECCOMP_RET_ALLOW;
const NO_SUCH_CALL: Outcome = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();

/// The kernel takes no longer programs.
const LONGEST: usize = 4096;

fn outcome(action: LinuxSeccompAction, errno: Option<u32>) -> Result<Outcome, Invalid> {
    let errno = errno.unwrap_or(libc::EPERM.unsigned_abs());
    if errno > 0xffff {
        return Err(Invalid::new(AT, format!("{errno} is no errno")));
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => libc::SECCOMP_RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => libc::SECCOMP_RET_ERRNO | errno,
        LinuxSeccompAction::ScmpActTrace => libc::SECCOMP_RET_TRACE | errno,
        LinuxSeccompAction::ScmpActLog => libc::SECCOMP_RET_LOG,
        LinuxSeccompAction::ScmpActAllow => ALLOW,
        LinuxSeccompAction::ScmpActNotify => {
            return Err(Invalid::new(
                AT,
                "SCMP_ACT_NOTIFY needs a listener, which is not possible",
            ));
        }
    })
}

/// Compiles a filter.
///
/// # Errors
///
/// What the spec asks for and can't be.
pub(crate) fn compile(spec: &LinuxSeccomp) -> Result<Filter, Invalid> {
    if spec.listener_path().is_some() {
        return Err(Invalid::new(AT, "a listener is not possible in this guest"));
    }
    let default = outcome(spec.default_action(), spec.default_errno_ret())?;
    let knows_new = [ALLOW, libc::SECCOMP_RET_LOG, NO_SUCH_CALL].contains(&default);
    let mut blocks = Vec::new();
    for arch in Arch::all(spec.architectures().as_deref().unwrap_or_default()) {
        let rules = rules::of(spec, arch, default)?;
        let last = if knows_new { None } else { rules.keys().last().copied() };
        blocks.push(assemble::Block { arch, rules, last });
    }
    let program = assemble::program(&blocks, default);
    if program.len() > LONGEST {
        let why = format!("the filter has {} instructions, of {LONGEST}", program.len());
        return Err(Invalid::new(AT, why));
    }
    Ok(Filter { program, flags: flags(spec)? })
}

fn flags(spec: &LinuxSeccomp) -> Result<u32, Invalid> {
    let Some(listed) = spec.flags() else {
        // runc's default: what slows speculation down is not asked for by a filter.
        return bits(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    };
    listed.iter().try_fold(0, |flags, flag| {
        Ok(flags
            | match flag {
                LinuxSeccompFilterFlag::SeccompFilterFlagLog => {
                    bits(libc::SECCOMP_FILTER_FLAG_LOG)?
                }
                LinuxSeccompFilterFlag::SeccompFilterFlagTsync => {
                    bits(libc::SECCOMP_FILTER_FLAG_TSYNC)?
                }
                LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => {
                    bits(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)?
                }
                LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                    return Err(Invalid::new(AT, "a listener is not possible in this guest"));
                }
            })
    })
}

fn bits(flag: libc::c_ulong) -> Result<u32, Invalid> {
    u32::try_from(flag).map_err(|_| Invalid::new(AT, "a flag is too large"))
}

#[cfg(test)]
mod tests;
