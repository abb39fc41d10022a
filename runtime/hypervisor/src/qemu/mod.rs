//! The QEMU driver: a [`Machine`] becomes a QEMU process, its vsock daemon, a
//! QMP connection and a captured console.
//!
//! Everything the driver makes lives in one private folder and in child
//! processes that die with their owner, so that dropping a [`QemuVm`] leaves
//! nothing behind, and killing the whole program leaves no process, only that
//! folder.

pub mod command_line;
pub mod qmp;
mod stderr;
pub mod vhost_user;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::console::{Console, create_log};
use crate::device::{Machine, VsockTransport};
use crate::error::HypervisorError;
use crate::process::{ChildProcess, ProcessSpec};
use crate::tools::{Tool, ToolPaths};
use crate::vm::{Hypervisor, VmEvent, VmExit};
use crate::vsock::VsockAddress;

use qmp::{EventLog, Qmp};
pub use qmp::{QmpError, QmpEvent};
use stderr::StderrTail;
use vhost_user::VsockDaemon;

/// How long QEMU and the daemon may take to open their sockets.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often QEMU's control socket is tried.
const POLL: Duration = Duration::from_millis(5);
/// How long output that is still in a pipe may take to arrive after the exit.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// The longest path of a Unix socket, its ending NUL excluded.
const SOCKET_PATH_LIMIT: usize = 107;

/// A virtual machine run by QEMU.
#[derive(Debug)]
pub struct QemuVm {
    machine: Machine,
    tools: ToolPaths,
    console: Console,
    events: EventLog,
    running: Option<Running>,
}

/// What exists between start and drop. Fields are dropped in this order: the
/// processes go before the folder with their sockets.
#[derive(Debug)]
struct Running {
    qmp: Qmp,
    qemu: ChildProcess,
    stderr: tokio::sync::Mutex<StderrTail>,
    capture: tokio::sync::Mutex<JoinHandle<()>>,
    daemon: Option<VsockDaemon>,
    vsock: Option<VsockAddress>,
    _folder: TempDir,
}

impl QemuVm {
    /// A machine that is ready to be started.
    #[must_use]
    pub fn new(machine: Machine, tools: ToolPaths) -> Self {
        Self { machine, tools, console: Console::new(), events: EventLog::default(), running: None }
    }

    fn running(&self) -> Result<&Running, HypervisorError> {
        self.running.as_ref().ok_or(HypervisorError::NotStarted)
    }

    async fn launch(&self) -> Result<Running, HypervisorError> {
        let program = self.tools.locate(Tool::QemuX86)?;
        let folder = tempfile::Builder::new()
            .prefix("kata-vm-")
            .tempdir()
            .map_err(|source| HypervisorError::Prepare { path: std::env::temp_dir(), source })?;
        let qmp_path = socket(folder.path(), "qmp")?;
        let vhost_path = socket(folder.path(), "vhost")?;
        let (daemon, vsock) = self.launch_vsock(folder.path(), &vhost_path).await?;
        let log_path = self.machine.console.log();
        let log = create_log(log_path)
            .map_err(|source| HypervisorError::Prepare { path: log_path.to_owned(), source })?;
        let sockets = command_line::Sockets { qmp: &qmp_path, vhost_user: &vhost_path };
        let args = command_line::arguments(&self.machine, sockets);
        tracing::debug!(?program, ?args, "starting QEMU");
        let (qemu, outputs) =
            ChildProcess::spawn(&ProcessSpec { program: program.clone(), args, env: Vec::new() })?;
        let pipe_error = |source| HypervisorError::Prepare { path: program.clone(), source };
        let stdout = tokio::process::ChildStdout::from_std(outputs.stdout).map_err(pipe_error)?;
        let stderr = tokio::process::ChildStderr::from_std(outputs.stderr).map_err(pipe_error)?;
        let console = self.console.clone();
        let capture = tokio::spawn(async move { console.capture(stdout, Some(log)).await });
        let mut stderr = StderrTail::collect(stderr);
        let qmp = self.connect(&qmp_path, &qemu, &mut stderr).await?;
        Ok(Running {
            qmp,
            qemu,
            stderr: tokio::sync::Mutex::new(stderr),
            capture: tokio::sync::Mutex::new(capture),
            daemon,
            vsock,
            _folder: folder,
        })
    }

    async fn launch_vsock(
        &self,
        folder: &Path,
        vhost: &Path,
    ) -> Result<(Option<VsockDaemon>, Option<VsockAddress>), HypervisorError> {
        let Some(vsock) = self.machine.vsock else { return Ok((None, None)) };
        let cid = vsock.guest_cid();
        match vsock.transport() {
            VsockTransport::VhostKernel => Ok((None, Some(VsockAddress::Cid(cid)))),
            VsockTransport::VhostUser => {
                let uds = socket(folder, "vm.vsock")?;
                let program = self.tools.locate(Tool::VhostDeviceVsock)?;
                let daemon = VsockDaemon::start(program, cid, &uds, vhost, START_PATIENCE).await?;
                Ok((Some(daemon), Some(VsockAddress::Hybrid(uds))))
            }
        }
    }

    async fn connect(
        &self,
        path: &Path,
        qemu: &ChildProcess,
        stderr: &mut StderrTail,
    ) -> Result<Qmp, HypervisorError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let error = match Qmp::connect(path, self.events.clone()).await {
                Ok(qmp) => return Ok(qmp),
                Err(error) => error,
            };
            let program = String::from(Tool::QemuX86.program());
            // A QEMU that left has said why on its standard error, which is
            // better than the state of its socket.
            if let Some(exit) = qemu.exit() {
                let stderr = stderr.finished().await;
                return Err(HypervisorError::Exited { program, exit, stderr });
            }
            if matches!(error, QmpError::Protocol(_) | QmpError::Refused { .. }) {
                return Err(error.into());
            }
            if Instant::now() > deadline {
                let (seconds, stderr) = (START_PATIENCE.as_secs(), stderr.lines());
                return Err(HypervisorError::NotReady { program, seconds, stderr });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Running {
    /// Waits for the end, then for what is still in the pipes.
    async fn ended(&self, events: &EventLog) -> VmExit {
        let process = self.qemu.wait().await;
        let drained = async {
            self.qmp.closed().await;
            let mut capture = self.capture.lock().await;
            if !capture.is_finished() {
                let _ = (&mut *capture).await;
            }
            self.stderr.lock().await.finished().await
        };
        let stderr = match tokio::time::timeout(DRAIN_PATIENCE, drained).await {
            Ok(lines) => lines,
            Err(_) => self.stderr.lock().await.lines(),
        };
        VmExit { process, events: vm_events(events), stderr }
    }
}

#[async_trait::async_trait]
impl Hypervisor for QemuVm {
    async fn start(&mut self) -> Result<(), HypervisorError> {
        if self.running.is_some() {
            return Err(HypervisorError::AlreadyStarted);
        }
        // The console's clock is the machine's clock.
        self.console = Console::new();
        self.running = Some(self.launch().await?);
        Ok(())
    }

    async fn wait(&self) -> Result<VmExit, HypervisorError> {
        Ok(self.running()?.ended(&self.events).await)
    }

    async fn stop(&mut self, deadline: Duration) -> Result<VmExit, HypervisorError> {
        let running = self.running()?;
        let orderly = async {
            // A QEMU that is gone already can't be asked, which is fine.
            let _ = running.qmp.execute("quit", Value::Null).await;
            running.qemu.wait().await
        };
        if tokio::time::timeout(deadline, orderly).await.is_err() {
            tracing::warn!("QEMU did not leave when asked; it is killed");
            running.qemu.kill();
        }
        Ok(running.ended(&self.events).await)
    }

    async fn press_power_button(&self) -> Result<(), HypervisorError> {
        self.running()?.qmp.execute("system_powerdown", Value::Null).await?;
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        let Some(running) = &self.running else { return Vec::new() };
        let daemon = running.daemon.as_ref().map(|daemon| &daemon.process);
        std::iter::once(&running.qemu)
            .chain(daemon)
            .filter(|process| process.exit().is_none())
            .map(ChildProcess::pid)
            .collect()
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn console_path(&self) -> &Path {
        self.machine.console.log()
    }

    fn vsock(&self) -> Option<VsockAddress> {
        self.running.as_ref().and_then(|running| running.vsock.clone())
    }

    fn events(&self) -> Vec<VmEvent> {
        vm_events(&self.events)
    }
}

fn socket(folder: &Path, name: &str) -> Result<PathBuf, HypervisorError> {
    let path = folder.join(name);
    if path.as_os_str().len() > SOCKET_PATH_LIMIT {
        return Err(HypervisorError::SocketPathTooLong(path));
    }
    Ok(path)
}

fn vm_events(log: &EventLog) -> Vec<VmEvent> {
    log.events().iter().map(meaning).collect()
}

/// What a QMP event means to a machine.
fn meaning(event: &QmpEvent) -> VmEvent {
    match event.name.as_str() {
        "SHUTDOWN" => match event.data.get("reason").and_then(Value::as_str) {
            Some("guest-shutdown") => VmEvent::GuestShutdown,
            Some("guest-reset") => VmEvent::GuestReset,
            Some("guest-panic") => VmEvent::GuestPanicked,
            _ => VmEvent::HostStopped,
        },
        "GUEST_PANICKED" => VmEvent::GuestPanicked,
        name => VmEvent::Other(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::machine::tests::machine_in;

    #[test]
    fn shutdown_reasons_become_machine_events() {
        let shutdown = |reason: &str| {
            let data = serde_json::json!({ "guest": true, "reason": reason });
            meaning(&QmpEvent { name: "SHUTDOWN".into(), data })
        };
        assert_eq!(shutdown("guest-shutdown"), VmEvent::GuestShutdown);
        assert_eq!(shutdown("guest-reset"), VmEvent::GuestReset);
        assert_eq!(shutdown("host-qmp-quit"), VmEvent::HostStopped);
        assert_eq!(shutdown("host-signal"), VmEvent::HostStopped);
        let other = QmpEvent { name: "RTC_CHANGE".into(), data: Value::Null };
        assert_eq!(meaning(&other), VmEvent::Other("RTC_CHANGE".into()));
    }

    #[test]
    fn a_socket_path_that_does_not_fit_is_named() {
        let error = socket(Path::new(&"/x".repeat(60)), "qmp").unwrap_err();
        assert!(matches!(error, HypervisorError::SocketPathTooLong(_)), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let machine = machine_in(dir.path()).validate().unwrap();
        let tools = ToolPaths { qemu: Some("/nonexistent/qemu".into()), ..ToolPaths::default() };
        let mut vm = QemuVm::new(machine, tools);
        let error = vm.start().await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/qemu"), "{error}");
        assert!(vm.pids().is_empty() && vm.vsock().is_none());
        assert!(matches!(vm.wait().await, Err(HypervisorError::NotStarted)));
    }
}
