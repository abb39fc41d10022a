//! Programs that a spec wants to be run at certain moments. Each reads the container's
//! state on its standard input; the first that fails stops what is under way.

use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use oci_spec::runtime::{ContainerState, Hook, Spec, StateBuilder};

use crate::children::{Children, Exit};
use crate::error::{During, Error};
use crate::protocol::readable;

/// How much of a failed hook's error output is repeated.
const MOST_OUTPUT: u64 = 1024;

/// A file in memory: it never blocks its writer, and needs no reader.
fn memory(content: &str) -> io::Result<std::fs::File> {
    // SAFETY: the name ends with a NUL; the descriptor is new.
    let mut file = unsafe {
        let raw = libc::memfd_create(c"hook".as_ptr(), libc::MFD_CLOEXEC);
        std::fs::File::from_raw_fd(nix::errno::Errno::result(raw)?)
    };
    file.write_all(content.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// The state that hooks read. The process's number is the one that it has where the hook
/// runs, or 0 when it has ended.
pub(crate) fn state(
    id: &str,
    spec: &Spec,
    bundle: &Path,
    status: ContainerState,
    pid: i32,
) -> Result<String, Error> {
    let mut state = StateBuilder::default()
        .version(spec.version().clone())
        .id(id)
        .status(status)
        .bundle(bundle)
        .annotations(spec.annotations().clone().unwrap_or_default());
    if pid > 0 {
        state = state.pid(pid);
    }
    let state = state.build().map_err(|error| Error::Stage(error.to_string()))?;
    serde_json::to_string(&state)
        .map_err(io::Error::from)
        .during(|| "can't write the state for hooks")
}

/// The moment at which hooks run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// Kind by its name in the spec.
    pub kind: &'static str,
    /// What they read: the container's state as JSON.
    pub state: &'a str,
    /// The folder in which they begin, or where the caller is.
    pub folder: Option<&'a Path>,
}

/// A hook about to run.
struct Ready {
    command: Command,
    errors: std::fs::File,
}

fn ready(hook: &Hook, moment: &Moment<'_>) -> io::Result<Ready> {
    let mut command = Command::new(hook.path());
    if let Some(folder) = moment.folder.filter(|folder| folder.is_dir()) {
        command.current_dir(folder);
    }
    let args = hook.args().as_deref().unwrap_or_default();
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear();
    for one in hook.env().iter().flatten() {
        if let Some((name, value)) = one.split_once('=') {
            command.env(name, value);
        }
    }
    let errors = memory("")?;
    command.stdin(memory(moment.state)?).stdout(Stdio::null()).stderr(errors.try_clone()?);
    // A group of its own, so that what it starts ends with it.
    command.process_group(0);
    Ok(Ready { command, errors })
}

fn failed(kind: &'static str, hook: &Hook, trouble: impl Into<String>) -> Error {
    Error::Hook { kind, path: hook.path().display().to_string(), trouble: trouble.into() }
}

/// What the end of a hook means.
fn judge(
    kind: &'static str,
    hook: &Hook,
    code: Option<i32>,
    patience: Duration,
    mut errors: std::fs::File,
) -> Result<(), Error> {
    let code = match code {
        Some(0) => return Ok(()),
        Some(code) => code,
        None => return Err(failed(kind, hook, format!("did not end within {patience:?}"))),
    };
    let mut text = Vec::new();
    let read = errors.rewind().and_then(|()| errors.take(MOST_OUTPUT).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let said = match read {
        Ok(length) if length > 0 => format!(" and said: {}", text.trim_end()),
        _ => String::new(),
    };
    Err(failed(kind, hook, format!("ended with {code}{said}")))
}

/// How long a hook may take: its own timeout or, without one, `otherwise`.
pub(crate) fn patience(hook: &Hook, otherwise: Duration) -> Duration {
    let own = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok());
    own.map_or(otherwise, Duration::from_secs)
}

/// Runs hooks as children of the caller's.
pub(crate) fn run(
    children: &dyn Children,
    moment: &Moment<'_>,
    hooks: &[Hook],
    otherwise: Duration,
) -> Result<(), Error> {
    let kind = moment.kind;
    for hook in hooks {
        let patience = patience(hook, otherwise);
        let start = |error: &io::Error| failed(kind, hook, format!("can't be started: {error}"));
        let mut ready = ready(hook, moment).map_err(|error| start(&error))?;
        let exit = Exit::default();
        let mut spawn = || {
            let child = ready.command.spawn()?;
            i32::try_from(child.id()).map_err(io::Error::other)
        };
        let pid = children.spawn(&mut spawn, exit.teller()).map_err(|error| start(&error))?;
        let code = exit.wait(patience);
        if code.is_none() {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        judge(kind, hook, code, patience, ready.errors)?;
    }
    Ok(())
}

/// Runs hooks as children of this process, which nobody else collects.
pub(crate) fn run_alone(
    moment: &Moment<'_>,
    hook: &Hook,
    otherwise: Duration,
) -> Result<(), Error> {
    let kind = moment.kind;
    let patience = patience(hook, otherwise);
    let start = |error: &io::Error| failed(kind, hook, format!("can't be started: {error}"));
    let mut ready = ready(hook, moment).map_err(|error| start(&error))?;
    let child = ready.command.spawn().map_err(|error| start(&error))?;
    let pid = i32::try_from(child.id()).map_err(|_| failed(kind, hook, "has no number"))?;
    let wait = || -> io::Result<Option<i32>> {
        let pidfd = open_pid(pid)?;
        if !readable(pidfd.as_fd(), Instant::now() + patience)? {
            killpg(Pid::from_raw(pid), Signal::SIGKILL)?;
            waitpid(Pid::from_raw(pid), None)?;
            return Ok(None);
        }
        Ok(Some(match waitpid(Pid::from_raw(pid), None)? {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            _ => 255,
        }))
    };
    let code = wait().map_err(|error| failed(kind, hook, format!("can't be awaited: {error}")))?;
    judge(kind, hook, code, patience, ready.errors)
}

fn open_pid(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only; the descriptor is new.
    unsafe {
        let raw = nix::errno::Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(raw).map_err(io::Error::other)?))
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::HookBuilder;

    use super::*;
    use crate::children::OwnChildren;

    fn hook(script: &str, timeout: i64) -> Hook {
        let args = ["sh", "-c", script].map(str::to_owned).to_vec();
        let env = vec!["GREETING=hello".to_owned()];
        HookBuilder::default()
            .path("/bin/sh")
            .args(args)
            .env(env)
            .timeout(timeout)
            .build()
            .expect("it is whole")
    }

    fn both(hook: &Hook, state: &str) -> [Result<(), Error>; 2] {
        let long = Duration::from_secs(30);
        let hooks = std::slice::from_ref(hook);
        let moment = Moment { kind: "poststop", state, folder: None };
        [run(&OwnChildren, &moment, hooks, long), run_alone(&moment, hook, long)]
    }

    #[test]
    fn the_state_and_the_environment_arrive() {
        let state = "x".repeat(200_000);
        let script =
            "test $(/usr/bin/wc -c) = 200000 && test \"$GREETING\" = hello && test -z \"$HOME\"";
        for result in both(&hook(script, 20), &state) {
            result.expect("the hook agrees");
        }
    }

    #[test]
    fn a_failure_says_what_the_hook_said() {
        for result in both(&hook("echo no room >&2; exit 3", 20), "{}") {
            let error = result.expect_err("it fails").to_string();
            assert_eq!(error, "the poststop hook /bin/sh ended with 3 and said: no room");
        }
    }

    #[test]
    fn a_hook_that_does_not_end_is_killed() {
        for result in both(&hook("while :; do :; done", 1), "{}") {
            let error = result.expect_err("it takes too long").to_string();
            assert_eq!(error, "the poststop hook /bin/sh did not end within 1s");
        }
    }
}
