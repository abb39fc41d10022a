//! The real program: as a service, and as process 1 of a namespace of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kata_agent_api::agent::{CopyFileRequest, DestroySandboxRequest, GuestDetailsRequest};
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::connect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ttrpc::context;

const AGENT: &str = env!("CARGO_BIN_EXE_kata-agent");
const LONG: Duration = Duration::from_secs(60);

struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a command whose output is the agent's.
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    fn wait_for_line(&self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen += &format!("{line}\n"),
                Err(error) => panic!("{error} while waiting for {part:?} in:\n{seen}"),
            }
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the agent does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn service(folder: &Path) -> (Command, String) {
    let address = format!("unix://{}/agent.sock", folder.display());
    let mut command = Command::new(AGENT);
    command.env("KATA_AGENT_SERVER_ADDR", &address);
    (command, address)
}

/// Process 1 of new process, mount, network and host name namespaces. The machine
/// must let this user make them; where it does not, the boot tests have to do.
fn process_one(folder: &Path) -> Option<(Command, String)> {
    let namespaces = ["--fork", "--pid", "--mount", "--net", "--uts", "--kill-child"];
    let allowed = Command::new("unshare").args(namespaces).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: namespaces can't be made by this user on this machine");
        return None;
    }
    let address = format!("unix://{}/agent.sock", folder.display());
    let mut command = Command::new("unshare");
    command.args(namespaces).arg(AGENT).env("KATA_AGENT_SERVER_ADDR", &address);
    Some((command, address))
}

/// A folder that neither /tmp nor /run of a new mount table hides, wherever the
/// checkout is.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

async fn connected(address: &str) -> AgentServiceClient {
    AgentServiceClient::new(connect::connect(address, LONG).await.unwrap())
}

#[test]
fn version_and_wrong_arguments() {
    let output = Command::new(AGENT).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, concat!("kata-agent ", env!("CARGO_PKG_VERSION"), " (API 0.0.1)\n"));
    let output = Command::new(AGENT).arg("--frobnicate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--frobnicate"));
}

#[tokio::test]
async fn a_service_answers_before_it_ends() {
    let folder = folder();
    let (mut command, address) = service(folder.path());
    let mut agent = Running::start(&mut command);
    let line = agent.wait_for_line("ttRPC server started");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["address"], address);
    let rpc = connected(&address).await;
    let context = context::with_timeout(i64::try_from(LONG.as_nanos()).unwrap());
    rpc.destroy_sandbox(context, &DestroySandboxRequest::new()).await.unwrap();
    assert_eq!(agent.wait().code(), Some(0));
    // The socket file is left behind; the next agent must get over it.
    let (mut command, address) = service(folder.path());
    let mut agent = Running::start(&mut command);
    agent.wait_for_line("ttRPC server started");
    connected(&address).await;
    kill(Pid::from_raw(i32::try_from(agent.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(agent.wait().code(), Some(0));
}

/// Nobody listens on the host's trace port, or there is no vsock at all: either way the
/// agent serves and ends, and says once what is the matter.
#[tokio::test]
async fn spans_that_nobody_takes_are_no_reason_to_fail() {
    let folder = folder();
    let (mut command, address) = service(folder.path());
    let mut agent = Running::start(command.env("KATA_AGENT_TRACING", "true"));
    let part = if cfg!(feature = "tracing") {
        "the host takes no spans"
    } else {
        agent.wait_for_line("tracing is not built in");
        "ttRPC server started"
    };
    agent.wait_for_line(part);
    let rpc = connected(&address).await;
    let context = context::with_timeout(i64::try_from(LONG.as_nanos()).unwrap());
    rpc.destroy_sandbox(context, &DestroySandboxRequest::new()).await.unwrap();
    assert_eq!(agent.wait().code(), Some(0));
    let again = agent.lines.iter().filter(|line| line.contains("tracing is not built in")).count();
    assert_eq!(again, 0);
}

#[test]
fn a_service_that_can_not_listen_says_so() {
    let mut command = Command::new(AGENT);
    command.env("KATA_AGENT_SERVER_ADDR", "unix:///nonexistent/agent.sock");
    let mut agent = Running::start(&mut command);
    agent.wait_for_line("can't listen on unix:///nonexistent/agent.sock");
    assert_eq!(agent.wait().code(), Some(1));
}

#[tokio::test]
async fn process_one_serves_and_powers_off() {
    let folder = folder();
    let Some((mut command, address)) = process_one(folder.path()) else { return };
    let mut agent = Running::start(&mut command);
    agent.wait_for_line("ttRPC server started");
    let rpc = connected(&address).await;
    let context = || context::with_timeout(i64::try_from(LONG.as_nanos()).unwrap());
    let details = rpc.get_guest_details(context(), &GuestDetailsRequest::new()).await.unwrap();
    assert!(details.agent_details.init_daemon);
    rpc.destroy_sandbox(context(), &DestroySandboxRequest::new()).await.unwrap();
    // In a namespace the kernel turns "power off" into a SIGINT of process 1.
    check_powered_off(agent.wait());
}

#[test]
fn process_one_explains_itself_before_it_powers_off() {
    let folder = folder();
    let Some((mut command, _)) = process_one(folder.path()) else { return };
    command.env("KATA_AGENT_SERVER_ADDR", "unix:///nonexistent/agent.sock");
    let mut agent = Running::start(&mut command);
    agent.wait_for_line("the guest agent can't run");
    agent.wait_for_line("  can't listen on unix:///nonexistent/agent.sock");
    check_powered_off(agent.wait());
}

#[tokio::test]
async fn process_one_that_panics_explains_itself_and_powers_off() {
    let folder = folder();
    let Some((mut command, address)) = process_one(folder.path()) else { return };
    let mut agent = Running::start(&mut command);
    agent.wait_for_line("ttRPC server started");
    let rpc = connected(&address).await;
    // A guest so short of memory that no thread can be started any more is one where
    // the runtime panics: enough is left for the message, but not for a stack.
    let pid = only_child(agent.child.id());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let (_, used) =
        kata_agent::procfs::figures(&status).find(|(name, _)| *name == "VmSize").unwrap();
    let limit = format!("--as={}", used + (1 << 20));
    let limited = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(limited.unwrap().success());
    let request = CopyFileRequest {
        path: "/run/kata-containers/shared/containers/file".into(),
        file_size: 4,
        file_mode: 0o100_600,
        data: b"text".to_vec(),
        ..Default::default()
    };
    let context = context::with_timeout(i64::try_from(LONG.as_nanos()).unwrap());
    let answer = rpc.copy_file(context, &request).await;
    assert!(answer.is_err(), "there was memory for a thread");
    let rule = "=".repeat(72);
    agent.wait_for_line(&rule);
    let headline = agent.wait_for_line("kata-agent");
    let expected = "the guest agent has a bug and stops";
    assert_eq!(headline, format!("kata-agent {}: {expected}", env!("CARGO_PKG_VERSION")));
    assert!(agent.wait_for_line("  at ").contains(".rs:"));
    agent.wait_for_line("thread");
    agent.wait_for_line(&rule);
    check_powered_off(agent.wait());
}

fn only_child(parent: u32) -> String {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    children.unwrap().trim().to_owned()
}

fn check_powered_off(status: ExitStatus) {
    use std::os::unix::process::ExitStatusExt;
    let interrupted = status.signal() == Some(2) || status.code() == Some(130);
    assert!(interrupted, "{status:?} is not what a power-off looks like");
}
