//! A child process that never outlives its owner.
//!
//! Each child leads its own process group and is watched by one thread, its
//! keeper: that thread starts it, waits for it and reaps it. The kernel ties
//! the parent-death signal to the *thread* that forked, so the keeper living
//! as long as the child is what makes PR_SET_PDEATHSIG mean "when the whole
//! parent process dies", even `kill -9`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpid, getppid};
use tokio::sync::watch;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessExit {
    /// It left with this code.
    Code(i32),
    /// A signal with this number ended it.
    Signal(i32),
}

impl ProcessExit {
    /// Whether it left with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// fork or exec failed.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No thread could be made to keep it.
    #[error("cannot make a thread to watch {program}")]
    Thread {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What to start.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Variables added to the inherited environment.
    pub env: Vec<(&'static str, &'static str)>,
}

/// A running, or finished, child. Dropping it kills its whole process group
/// and waits until the child is reaped.
#[derive(Debug)]
pub struct ChildProcess {
    pid: Pid,
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<ProcessExit>>,
    keeper: Option<JoinHandle<()>>,
}

/// The child's outputs, to be read by whoever started it.
#[derive(Debug)]
pub struct ChildOutputs {
    /// Standard output.
    pub stdout: ChildStdout,
    /// Standard error.
    pub stderr: ChildStderr,
}

impl ChildProcess {
    /// Starts a child with an empty standard input and piped outputs.
    ///
    /// # Errors
    /// See [`ProcessError`].
    pub fn spawn(spec: &ProcessSpec) -> Result<(Self, ChildOutputs), ProcessError> {
        let program = spec.program.clone();
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).envs(spec.env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let parent = getpid();
        // SAFETY: the closure runs between fork and exec and makes only the
        // async-signal-safe calls prctl and getppid; it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
            });
        }
        let reaped = Arc::new(Mutex::new(false));
        let (announce, exit) = watch::channel(None);
        let (started, start) = mpsc::sync_channel(1);
        let keeper_reaped = Arc::clone(&reaped);
        let keeper = std::thread::Builder::new()
            .name(String::from("child-keeper"))
            .spawn(move || match command.spawn() {
                Err(source) => drop(started.send(Err(source))),
                Ok(mut child) => {
                    let pid = pid_of(&child);
                    let outputs = child.stdout.take().zip(child.stderr.take());
                    drop(started.send(Ok((pid, outputs))));
                    announce.send_replace(Some(keep(child, pid, &keeper_reaped)));
                }
            })
            .map_err(|source| ProcessError::Thread { program: program.clone(), source })?;
        let lost = || std::io::Error::other("the watching thread ended early");
        let (pid, outputs) = start
            .recv()
            .map_err(|_| lost())
            .and_then(|result| result)
            .map_err(|source| ProcessError::Start { program: program.clone(), source })?;
        let process = Self { pid, reaped, exit, keeper: Some(keeper) };
        let (stdout, stderr) =
            outputs.ok_or_else(|| ProcessError::Start { program, source: lost() })?;
        Ok((process, ChildOutputs { stdout, stderr }))
    }

    /// The process id; after the exit it may name another process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<ProcessExit> {
        *self.exit.borrow()
    }

    /// Waits for the end. Safe to cancel and to call again.
    pub async fn wait(&self) -> ProcessExit {
        let mut exit = self.exit.clone();
        // The keeper always announces before it lets go of the channel.
        let exit = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        exit.unwrap_or(ProcessExit::Signal(Signal::SIGKILL as i32))
    }

    /// Kills the child's process group, unless the child is reaped already.
    pub fn kill(&self) {
        // Under the lock the id can't have been given to another process.
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("Linux process ids fit in i32"))
}

/// Waits for the child without reaping it, so that its id stays taken until
/// stragglers of its group are gone too, and reaps it under the lock.
fn keep(mut child: Child, pid: Pid, reaped: &Mutex<bool>) -> ProcessExit {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::errno::Errno::EINTR)
    {}
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = killpg(pid, Signal::SIGKILL);
    let status = child.wait();
    *reaped = true;
    match status {
        Ok(status) => status
            .code()
            .map(ProcessExit::Code)
            .or(status.signal().map(ProcessExit::Signal))
            .unwrap_or(ProcessExit::Signal(0)),
        // Somebody else reaped our child; all that is left to say is that it is gone.
        Err(_) => ProcessExit::Signal(Signal::SIGKILL as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> ProcessSpec {
        ProcessSpec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
        }
    }

    fn first_line(outputs: ChildOutputs) -> String {
        let mut line = String::new();
        BufReader::new(outputs.stdout).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// A dead process whose new parent has not reaped it yet counts as gone.
    fn gone(pid: &str) -> bool {
        std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).map_or(true, |stat| {
            stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z'))
        })
    }

    fn wait_until_gone(pid: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !gone(pid) {
            assert!(Instant::now() < deadline, "process {pid} still runs");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn codes_signals_and_outputs_come_through() {
        let (child, mut outputs) =
            ChildProcess::spawn(&shell("echo out; echo err >&2; exit 3")).unwrap();
        let mut text = String::new();
        outputs.stdout.read_to_string(&mut text).unwrap();
        outputs.stderr.read_to_string(&mut text).unwrap();
        assert_eq!(text, "out\nerr\n");
        assert_eq!(child.wait().await, ProcessExit::Code(3));
        let (child, _outputs) = ChildProcess::spawn(&shell("kill -TERM $$")).unwrap();
        assert_eq!(child.wait().await, ProcessExit::Signal(15));
        assert_eq!(child.exit(), Some(ProcessExit::Signal(15)));
    }

    #[test]
    fn dropping_kills_the_whole_group() {
        let (child, outputs) = ChildProcess::spawn(&shell("sleep 1000 & echo $!; wait")).unwrap();
        let grandchild = first_line(outputs);
        let pid = child.pid().to_string();
        assert!(!gone(&pid) && !gone(&grandchild));
        drop(child);
        assert!(!Path::new("/proc").join(&pid).exists(), "the child is reaped when drop returns");
        wait_until_gone(&grandchild);
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let spec =
            ProcessSpec { program: "/nonexistent/qemu".into(), args: Vec::new(), env: Vec::new() };
        let error = ChildProcess::spawn(&spec).unwrap_err();
        assert_eq!(error.to_string(), "cannot start /nonexistent/qemu");
    }

    /// The test runs itself again as a holder, which starts a child, and kills
    /// that holder with SIGKILL.
    #[test]
    fn a_killed_parent_leaves_no_child() {
        const HOLDER: &str = "HYPERVISOR_TEST_HOLDER";
        if std::env::var_os(HOLDER).is_some() {
            let (child, _outputs) = ChildProcess::spawn(&shell("exec sleep 1000")).unwrap();
            println!("child {}", child.pid());
            loop {
                std::thread::park();
            }
        }
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "process::tests::a_killed_parent_leaves_no_child"])
            .env(HOLDER, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(holder.stdout.take().unwrap());
        let pid = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("child ").map(|(_, pid)| pid.to_owned()))
            .expect("the holder prints its child's id");
        assert!(!gone(&pid));
        holder.kill().unwrap();
        holder.wait().unwrap();
        wait_until_gone(&pid);
    }
}
