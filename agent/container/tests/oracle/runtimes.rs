//! The two runtimes as commands, and what is left behind when a test fails taken away.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Where the host has its unified hierarchy.
pub const CGROUPS: &str = "/sys/fs/cgroup/unified";

/// Longer than any run takes.
pub const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Runc,
    Ours,
}

pub const BOTH: [Which; 2] = [Which::Runc, Which::Ours];

/// A container's name, and its end when this goes.
#[derive(Debug)]
pub struct Name {
    pub which: Which,
    pub id: String,
    /// Where runc has its notes.
    root: PathBuf,
}

impl Name {
    /// A name that no other process and no other thread has.
    pub fn new(which: Which, folder: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep_at_the_end();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}{number}", prefix());
        Self { which, id, root: folder.join("runc") }
    }

    /// A command of runc's.
    pub fn runc(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/sbin/runc");
        command.arg("--root").arg(&self.root).args(arguments).stdin(Stdio::null());
        command
    }

    /// A command of our runner's.
    pub fn ours(&self, verb: &str, bundle: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_container-oracle"));
        command.args([verb, &self.id]).arg(bundle).arg(CGROUPS).stdin(Stdio::null());
        command
    }

    /// Runs a bundle to its end.
    pub fn run(&self, bundle: &Path) -> Output {
        let command = match self.which {
            Which::Runc => {
                let mut command = self.runc(&["run", "--bundle"]);
                command.arg(bundle).arg(&self.id);
                command
            }
            Which::Ours => self.ours("run", bundle),
        };
        output(command)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Nothing is left but after a failure, which is what is to be seen.
        match self.which {
            Which::Runc => drop(self.runc(&["delete", "--force", &self.id]).output()),
            Which::Ours => {
                // A test may have an id that is a path.
                let folder = Path::new(CGROUPS).join(&self.id);
                if !self.id.starts_with(&prefix()) {
                    return;
                }
                if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
                    let until = std::time::Instant::now() + Duration::from_secs(10);
                    while fs::remove_dir(&folder).is_err() && std::time::Instant::now() < until {
                        std::thread::yield_now();
                    }
                }
            }
        }
    }
}

/// What all names of this process begin with, and its temporary folders.
pub fn prefix() -> String {
    format!("oracle-{}-", std::process::id())
}

/// Starts a process that waits for the end of this one, however it comes, and then takes
/// away what is left of its containers: nothing after a success.
fn sweep_at_the_end() {
    static SWEEPER: OnceLock<Child> = OnceLock::new();
    SWEEPER.get_or_init(|| {
        // Its input ends with this process.
        let script = "read end; n=0; while test $n -lt 1000; do n=$((n + 1)); left=; \
            for f in /sys/fs/cgroup/*/$1*; do test -d $f || continue; left=1; \
            test -e $f/freezer.state && echo THAWED > $f/freezer.state; \
            for p in $(cat $f/cgroup.procs); do kill -9 $p; done; rmdir $f; done; \
            test -z \"$left\" && break; done; rm -rf ${TMPDIR:-/tmp}/$1*";
        Command::new("/bin/sh")
            .args(["-c", script, "sweeper", &prefix()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of what is sent to all of a test.
            .process_group(0)
            .spawn()
            .expect("there is a shell")
    });
}

/// Runs a command to its end, which must come.
pub fn output(mut command: Command) -> Output {
    let shown = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{shown}: {error}"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap_or_else(|error| panic!("{shown}: {error}")),
        Err(_) => {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            panic!("it does not end: {shown}")
        }
    }
}
