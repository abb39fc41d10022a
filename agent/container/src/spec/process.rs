//! The part of a spec that is also sent alone, for one more process.

use oci_spec::runtime::Process;

use super::{Invalid, MOST_ENTRIES, text};
use crate::rlimits;

/// Checks a process.
pub(crate) fn check(process: &Process) -> Result<(), Invalid> {
    let args = process.args().as_deref().unwrap_or_default();
    if args.first().is_none_or(String::is_empty) {
        return Err(Invalid::new("process.args", "names no program"));
    }
    let env = process.env().as_deref().unwrap_or_default();
    for (list, at) in [(args, "process.args"), (env, "process.env")] {
        for one in list {
            text(one, at)?;
        }
    }
    if let Some(nameless) = env.iter().find(|one| !one.contains('=') || one.starts_with('=')) {
        // The value may be a secret.
        let name: String = nameless.chars().take_while(|&c| c != '=').take(32).collect();
        return Err(Invalid::new("process.env", format!("{name:?} is not NAME=VALUE")));
    }
    let cwd = process.cwd();
    if !cwd.is_absolute() || cwd.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Invalid::new("process.cwd", "must be an absolute path"));
    }
    let groups = process.user().additional_gids().as_deref().unwrap_or_default();
    // The kernel takes 65536; nobody needs as many.
    if groups.len() > MOST_ENTRIES {
        return Err(Invalid::new("process.user.additionalGids", "are too many"));
    }
    if process.user().umask().is_some_and(|umask| umask > 0o777) {
        return Err(Invalid::new("process.user.umask", "has bits beyond 0777"));
    }
    if let Some(score) = process.oom_score_adj()
        && !(-1000..=1000).contains(&score)
    {
        return Err(Invalid::new("process.oomScoreAdj", "must be between -1000 and 1000"));
    }
    rlimits::check(process.rlimits().as_deref().unwrap_or_default())?;
    for (label, at) in [
        (process.apparmor_profile(), "process.apparmorProfile"),
        (process.selinux_label(), "process.selinuxLabel"),
        (process.user().username(), "process.user.username"),
    ] {
        text(label.as_deref().unwrap_or_default(), at)?;
    }
    let unknown = [
        (process.scheduler().is_some(), "scheduler"),
        (process.io_priority().is_some(), "ioPriority"),
        (process.exec_cpu_affinity().is_some(), "execCPUAffinity"),
    ];
    match unknown.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => {
            Err(Invalid::new(format!("process.{name}"), "is not possible in this guest"))
        }
        None => Ok(()),
    }
}
