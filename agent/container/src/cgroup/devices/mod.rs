//! Which devices a container may use. The unified hierarchy has no files for that: a
//! BPF program of the cgroup judges every access. Rules become a [`Policy`], that becomes
//! a program, and the kernel takes it.

mod instruction;
mod kernel;
mod program;
mod rules;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

pub(crate) use self::rules::Policy;
use super::Cgroup;
use crate::error::Error;

/// The program of a policy, as the kernel reads it.
pub(crate) fn program(policy: &Policy) -> Vec<u8> {
    let mut bytes = Vec::new();
    for instruction in program::assemble(policy) {
        instruction.encode(&mut bytes);
    }
    bytes
}

/// The program that a cgroup has now, if it has one.
#[derive(Debug, Default)]
pub(super) struct Attached(Mutex<Option<OwnedFd>>);

impl Cgroup {
    /// Lets its processes use what `policy` allows and nothing else, from now on. There
    /// is no moment without rules: the kernel exchanges one program for another.
    pub(crate) fn limit_devices(&self, policy: &Policy) -> Result<(), Error> {
        let mut attached = self.attached.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed =
            |what, source| Error::System { what: self.no_device_rules(what, &source), source };
        if policy.allows_all() {
            // No program allows the same.
            if let Some(old) = attached.take() {
                kernel::detach(self.as_fd(), old.as_fd())
                    .map_err(|error| failed("take away", error))?;
            }
            return Ok(());
        }
        let new = kernel::load(&program(policy)).map_err(|error| failed("load", error))?;
        kernel::attach(self.as_fd(), new.as_fd(), attached.as_ref().map(AsFd::as_fd))
            .map_err(|error| failed("attach", error))?;
        *attached = Some(new);
        Ok(())
    }

    fn no_device_rules(&self, what: &str, error: &io::Error) -> String {
        // What a kernel says that knows no such call, or no such program.
        let unknown = [Some(libc::ENOSYS), Some(libc::EINVAL)].contains(&error.raw_os_error());
        let hint = if unknown { "; it takes a kernel with CONFIG_CGROUP_BPF" } else { "" };
        format!("can't {what} the device rules of {}{hint}", self.folder().display())
    }
}

#[cfg(test)]
mod evaluator;
#[cfg(all(test, feature = "runc-oracle"))]
mod kernel_tests;
#[cfg(test)]
mod tests;
