//! kata-agent-ctl against the agent of a real guest, over the guest's vsock.

use crate::checkout::{Ran, artifact, kernel, tool_folder};
use boot_check::timeline::agent_listens;
use boot_check::{BootRequest, Rootfs};
use hypervisor::qemu::QemuVm;
use hypervisor::vsock::VsockAddress;
use hypervisor::{Accelerator, Hypervisor, ToolPaths, VmExit};
use kata_agent_api::{connect, ports};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
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
struct Guest {
    vm: QemuVm,
    address: String,
    runtime: Runtime,
    _work: TempDir,
}

impl Guest {
    fn start() -> Self {
        let work = tempfile::tempdir().unwrap();
        let request = BootRequest::new(kernel(), Rootfs::Initrd(artifact("alpine")), work.path());
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

    /// Runs kata-agent-ctl with these commands.
    fn ctl(&self, commands: &[&str]) -> Ran {
        let mut command = Command::new(kata_agent_ctl());
        command.args(["connect", "--timeout", "60", "--server-address", &self.address]);
        for text in commands {
            command.args(["-c", text]);
        }
        Ran::of(&command.output().unwrap())
    }

    /// The answer to one RPC, which has to succeed.
    #[track_caller]
    fn answer(&self, command: &str) -> Value {
        self.ctl(&[command]).succeeded().json()
    }

    /// What is said of one RPC that has to fail.
    #[track_caller]
    fn refusal(&self, command: &str) -> String {
        let ran = self.ctl(&[command]);
        assert_eq!(ran.status, Some(1), "{ran:#?}");
        ran.stderr
    }

    /// How the guest looks from inside.
    #[track_caller]
    fn report(&self) -> Value {
        let answer = self.answer("GetDiagnosticData log_type=boot-report");
        serde_json::from_str(answer["data"].as_str().unwrap()).unwrap()
    }

    /// Waits until QEMU has ended by itself.
    fn ended(&self) -> VmExit {
        let wait = async { tokio::time::timeout(PATIENCE, self.vm.wait()).await };
        self.runtime.block_on(wait).expect("the guest still runs").unwrap()
    }

    fn console(&self) -> String {
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

#[test]
fn every_rpc_of_the_spine_is_answered_by_a_real_guest() {
    let guest = Guest::start();
    assert_eq!(guest.answer("Check")["status"], "SERVING");
    let version = guest.answer("Version");
    assert_eq!(version["agent_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["grpc_version"], kata_agent_api::API_VERSION);

    let details = guest.answer("GetGuestDetails mem_block_size=true mem_hotplug_probe=true");
    assert_eq!(details["agent_details"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(details["agent_details"]["init_daemon"], true);
    // The protocol's JSON form writes 64-bit numbers as text.
    let block: u64 = details["mem_block_size_bytes"].as_str().unwrap().parse().unwrap();
    assert!(block.is_power_of_two() && block >= 1 << 20, "{block}");

    guest.answer("CreateSandbox hostname=from-afar sandbox_id=end-to-end");
    let twice = guest.refusal("CreateSandbox hostname=again sandbox_id=again");
    assert!(twice.contains("CreateSandbox failed"), "{twice}");

    guest.answer("SetGuestDateTime Sec=1000000000 Usec=5");
    let seconds = guest.report()["clock"]["seconds"].as_i64().unwrap();
    assert!((1_000_000_000..1_000_010_000).contains(&seconds), "{seconds}");
    guest.answer("ReseedRandomDev data=0123456789abcdef");

    let copy =
        |path: &str| format!("CopyFile path={path} file_size=5 file_mode=0o100640 data=hello");
    guest.answer(&copy("/run/kata-containers/shared/containers/end-to-end/file"));
    let outside = guest.refusal(&copy("/etc/passwd"));
    assert!(outside.contains("/run/kata-containers/shared/containers"), "{outside}");

    let metrics = guest.answer("GetMetrics");
    let metrics = metrics["metrics"].as_str().unwrap();
    assert!(metrics.contains("\nkata_agent_scrape_count 1\n"), "{metrics}");
    assert!(metrics.contains("# TYPE kata_agent_total_rss gauge\n"), "{metrics}");

    let report = guest.report();
    assert_eq!(report["pid1"]["is_agent"], true);
    assert_eq!(report["root"]["source"], "rootfs");

    let pids = guest.vm.pids();
    assert!(!pids.is_empty());
    guest.answer("DestroySandbox");
    let exit = guest.ended();
    assert!(exit.is_guest_shutdown(), "{exit:?}\n{}", guest.console());
    drop(guest);
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    }
}

#[test]
fn one_session_serves_many_commands_and_a_refusal_in_between() {
    let guest = Guest::start();
    let ran = guest.ctl(&["Check", "CreateSandbox sandbox_id=a", "StartContainer container_id=b"]);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:#?}");
    assert!(ran.stderr.contains("StartContainer failed"), "{ran:#?}");
    // The agent is none the worse for it.
    guest.ctl(&["Check", "DestroySandbox"]).succeeded();
    assert!(guest.ended().is_guest_shutdown(), "{}", guest.console());
}
