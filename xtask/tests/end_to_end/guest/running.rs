//! A running guest, and the programs that talk to it.

use crate::checkout::{Ran, artifact, kernel, tool_folder};
use boot_check::timeline::agent_listens;
use boot_check::{AcceleratorChoice, BootFailure, BootRequest, Rootfs};
use hypervisor::qemu::QemuVm;
use hypervisor::vsock::VsockAddress;
use hypervisor::{Accelerator, Hypervisor, ToolPaths, VmExit};
use kata_agent_api::{connect, ports};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// For a guest to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(240);
/// One attempt to reach an agent that may not be there yet.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Between attempts.
const POLL: Duration = Duration::from_millis(50);

/// The binary that cargo puts beside xtask's.
fn kata_agent_ctl() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("kata-agent-ctl");
    assert!(path.is_file(), "{} is not there; run cargo build -p kata-agent-ctl", path.display());
    path
}

/// A running guest whose agent listens.
pub struct Guest {
    /// The machine.
    pub vm: QemuVm,
    address: String,
    runtime: Runtime,
    _work: TempDir,
}

impl Guest {
    /// The Alpine initrd.
    pub fn start() -> Self {
        Self::boot(Rootfs::Initrd(artifact("alpine")), |_| ())
    }

    /// A guest whose request `change` has changed.
    pub fn boot(rootfs: Rootfs, change: impl FnOnce(&mut BootRequest)) -> Self {
        let work = tempfile::tempdir().unwrap();
        let mut request = BootRequest::new(kernel(), rootfs, work.path());
        change(&mut request);
        let machine = request.machine(Accelerator::Tcg { icount: false }).validate().unwrap();
        let tools = ToolPaths { tools_dir: Some(tool_folder()), ..ToolPaths::default() };
        let mut vm = QemuVm::new(machine, tools);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(vm.start()).unwrap();
        let address = match vm.vsock().unwrap() {
            VsockAddress::Hybrid(path) => format!("hvsock://{}:{}", path.display(), ports::TTRPC),
            VsockAddress::Cid(cid) => format!("vsock://{cid}:{}", ports::TTRPC),
        };
        runtime.block_on(wait_for_agent(&vm, &address));
        Self { vm, address, runtime, _work: work }
    }

    /// Types `script` at the guest's debug console, up to the end of its shell.
    pub fn console(&self, script: &str) -> Ran {
        let mut command = Command::new(kata_agent_ctl());
        command.args(["console", "--timeout", "60", "--server-address", &self.address]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        Ran::of(&child.wait_with_output().unwrap())
    }

    /// Runs kata-agent-ctl with these commands.
    pub fn ctl(&self, commands: &[&str]) -> Ran {
        let mut command = Command::new(kata_agent_ctl());
        command.args(["connect", "--timeout", "60", "--server-address", &self.address]);
        for text in commands {
            command.args(["-c", text]);
        }
        Ran::of(&command.output().unwrap())
    }

    /// The answer to one RPC, which has to succeed.
    #[track_caller]
    pub fn answer(&self, command: &str) -> Value {
        self.ctl(&[command]).succeeded().json()
    }

    /// What is said of one RPC that has to fail.
    #[track_caller]
    pub fn refusal(&self, command: &str) -> String {
        let ran = self.ctl(&[command]);
        assert_eq!(ran.status, Some(1), "{ran:#?}");
        ran.stderr
    }

    /// How the guest looks from inside.
    #[track_caller]
    pub fn report(&self) -> Value {
        let answer = self.answer("GetDiagnosticData log_type=boot-report");
        serde_json::from_str(answer["data"].as_str().unwrap()).unwrap()
    }

    /// Waits until QEMU has ended by itself.
    pub fn ended(&self) -> VmExit {
        let wait = async { tokio::time::timeout(PATIENCE, self.vm.wait()).await };
        self.runtime.block_on(wait).expect("the guest still runs").unwrap()
    }

    /// What the machine's console has shown.
    pub fn words(&self) -> String {
        self.vm.console().lines().iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

async fn wait_for_agent(vm: &QemuVm, address: &str) {
    let deadline = Instant::now() + PATIENCE;
    // Not before the agent says so: see boot_check on readiness.
    while !vm.console().lines().iter().any(|line| agent_listens(&line.text)) {
        assert!(!vm.pids().is_empty(), "QEMU has ended: {:#?}", vm.console().lines());
        assert!(Instant::now() < deadline, "no agent: {:#?}", vm.console().lines());
        tokio::time::sleep(POLL).await;
    }
    loop {
        match connect::connect(address, ATTEMPT).await {
            Ok(_) => return,
            Err(error) if error.is_transient() && Instant::now() < deadline => {}
            Err(error) => {
                let lines = vm.console().lines();
                panic!("no agent at {address}: {error}; the console: {lines:#?}");
            }
        }
        assert!(!vm.pids().is_empty(), "QEMU has ended: {:#?}", vm.console().lines());
        tokio::time::sleep(POLL).await;
    }
}

/// Why a guest does not come up whose request `change` has changed.
#[track_caller]
pub fn fails(rootfs: Rootfs, change: impl FnOnce(&mut BootRequest)) -> Box<BootFailure> {
    let work = tempfile::tempdir().unwrap();
    let mut request = BootRequest::new(kernel(), rootfs, work.path());
    request.accelerator = AcceleratorChoice::Tcg;
    request.timeout = PATIENCE;
    request.tools.tools_dir = Some(tool_folder());
    change(&mut request);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(boot_check::boot(&request)).expect_err("a guest that should not come up")
}
