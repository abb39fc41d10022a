//! The last steps before the container's program: its labels, rights, filter and user,
//! in the order in which each is still possible and none can be undone.

use std::io;

use oci_spec::runtime::{Linux, LinuxPersonality, LinuxPersonalityDomain};

use crate::capabilities::Sets;
use crate::error::{During, Error};
use crate::os::Os;
use crate::protocol::Setup;
use crate::seccomp::{self, Filter};
use crate::spec::Invalid;
use crate::user::Identity;

/// What the process is about to become.
pub(crate) struct Become<'a> {
    setup: &'a Setup,
    identity: &'a Identity,
    capabilities: Sets,
    filter: Option<Filter>,
    no_new_privileges: bool,
}

impl<'a> Become<'a> {
    pub(crate) fn new(
        setup: &'a Setup,
        linux: &Linux,
        identity: &'a Identity,
    ) -> Result<Self, Error> {
        Ok(Self {
            setup,
            identity,
            capabilities: Sets::of(setup.process.capabilities().as_ref()),
            filter: linux.seccomp().as_ref().map(seccomp::compile).transpose()?,
            no_new_privileges: setup.process.no_new_privileges() == Some(true),
        })
    }

    /// All but the filter, if that can wait. Without "no new privileges" the kernel
    /// takes a filter only from who may administer the system, so it comes before the
    /// rights go; with it, it comes last, and filters none of these calls.
    pub(crate) fn take_rights(
        &self,
        os: &dyn Os,
        label: &dyn Fn(&str, &str) -> io::Result<()>,
    ) -> Result<(), Error> {
        let process = &self.setup.process;
        if let Some(profile) = process.apparmor_profile().as_deref().filter(|it| !it.is_empty()) {
            let text = format!("exec {profile}");
            label("apparmor/exec", &text).or_else(|_| label("exec", &text)).during(|| {
                format!(
                    "can't set the AppArmor profile {profile}; has the guest's kernel AppArmor?"
                )
            })?;
        }
        if let Some(wanted) = process.selinux_label().as_deref().filter(|it| !it.is_empty()) {
            label("exec", wanted).during(|| {
                format!("can't set the SELinux label {wanted}; has the guest's kernel SELinux?")
            })?;
        }
        if self.no_new_privileges {
            os.no_new_privileges().during(|| "can't give up new privileges")?;
        } else if let Some(filter) = &self.filter {
            os.seccomp(&filter.program, filter.flags).during(|| "can't load the seccomp filter")?;
        }
        self.capabilities.bound(os)?;
        // The folder may be one that only the user may enter, or only we.
        let entered = os.change_directory(process.cwd()).is_ok();
        os.keep_capabilities(true).during(|| "can't keep capabilities over the change of user")?;
        let Identity { uid, gid, groups, .. } = self.identity;
        os.groups(groups).during(|| format!("can't set the groups {groups:?}"))?;
        os.group(*gid).during(|| format!("can't become group {gid}"))?;
        os.user(*uid).during(|| format!("can't become user {uid}"))?;
        if !entered {
            os.change_directory(process.cwd())
                .during(|| format!("can't enter the folder {}", process.cwd().display()))?;
        }
        os.keep_capabilities(false).during(|| "can't drop capabilities at the next change")?;
        self.capabilities.apply(os)?;
        os.umask(process.user().umask().unwrap_or(0o022));
        Ok(())
    }

    /// The filter that could wait.
    pub(crate) fn last_filter(&self, os: &dyn Os) -> Result<(), Error> {
        match &self.filter {
            Some(filter) if self.no_new_privileges => {
                os.seccomp(&filter.program, filter.flags).during(|| "can't load the seccomp filter")
            }
            _ => Ok(()),
        }
    }
}

/// How the kernel presents itself.
pub(crate) fn personality(os: &dyn Os, wanted: &LinuxPersonality) -> Result<(), Error> {
    if wanted.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        return Err(Invalid::new("linux.personality", "flags are not possible").into());
    }
    let domain = match wanted.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    };
    os.personality(domain).during(|| format!("can't set the personality {domain}"))
}

#[cfg(test)]
mod tests;
