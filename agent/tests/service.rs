//! The server in this process, over a Unix socket, with an operating system that
//! only writes down what is asked of it: every RPC as a client sees it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use kata_agent::device::Devices;
use kata_agent::mem_agent::{MemAgent, Settings};
use kata_agent::os::{Os, Recorder};
use kata_agent::policy::Policy;
use kata_agent::reaper::{Reaper, Scope};
use kata_agent::sandbox::Paths;
use kata_agent::server::{Agent, Server};
use kata_agent_api::agent::{
    ARPNeighbors, AddARPNeighborsRequest, AddSwapPathRequest, AddSwapRequest, CopyFileRequest,
    CreateSandboxRequest, DestroySandboxRequest, GetDiagnosticDataRequest, GetMetricsRequest,
    GuestDetailsRequest, KernelModule, ListInterfacesRequest, ListRoutesRequest,
    MemAgentCompactConfig, MemAgentMemcgConfig, RemoveStaleVirtiofsShareMountsRequest,
    ReseedRandomDevRequest, ResizeVolumeRequest, Routes, SetGuestDateTimeRequest, SetPolicyRequest,
    Storage, UpdateInterfaceRequest, UpdateRoutesRequest, VolumeStatsRequest,
};
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::health::CheckRequest;
use kata_agent_api::health_ttrpc::HealthClient;
use kata_agent_api::types::{ARPNeighbor, Interface, Route};
use kata_agent_api::{AGENT_SERVICE, BOOT_REPORT, BootReport, connect};
use tempfile::TempDir;
use ttrpc::asynchronous::Client;
use ttrpc::{Code, context};

const LONG: Duration = Duration::from_secs(60);

struct Guest {
    folder: TempDir,
    os: Arc<Recorder>,
    agent: Arc<Agent>,
    server: Server,
    client: Client,
    rpc: AgentServiceClient,
}

fn deadline() -> context::Context {
    context::with_timeout(i64::try_from(LONG.as_nanos()).unwrap())
}

impl Guest {
    async fn start(os: Recorder) -> Self {
        Self::start_with(os, Settings::default(), Policy::default()).await
    }

    async fn start_with(os: Recorder, mem_agent: Settings, policy: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths {
            run: folder.path().join("run"),
            resolv_conf: folder.path().join("etc/resolv.conf"),
        };
        let reaper = Arc::new(Reaper::new(Scope::OwnChildren));
        reaper.start().unwrap();
        let os = Arc::new(os);
        // Devices of this machine, which do not get new ones while a test runs.
        let devices = Arc::new(Devices::new(Arc::clone(&os) as Arc<dyn Os>, Duration::ZERO));
        let agent = Agent::new(Arc::clone(&os) as Arc<dyn Os>, reaper, paths);
        let mem_agent = MemAgent::start(Arc::clone(&os) as Arc<dyn Os>, mem_agent);
        let agent = agent.with_devices(devices).with_mem_agent(mem_agent).with_policy(policy);
        let agent = Arc::new(agent);
        let address = format!("unix://{}/agent.sock", folder.path().display());
        let server = Server::start(&address, Arc::clone(&agent)).await.unwrap();
        let client = connect::connect(&address, LONG).await.unwrap();
        let rpc = AgentServiceClient::new(client.clone());
        Self { folder, os, agent, server, client, rpc }
    }

    /// What the operating system was asked, with this test's folder left out.
    fn log(&self) -> String {
        self.os.log().replace(&self.folder.path().display().to_string(), "")
    }

    async fn raw(&self, method: &str) -> ttrpc::Result<ttrpc::proto::Response> {
        let request = ttrpc::proto::Request {
            service: AGENT_SERVICE.to_owned(),
            method: method.to_owned(),
            timeout_nano: i64::try_from(LONG.as_nanos()).unwrap(),
            ..Default::default()
        };
        self.client.request(request).await
    }
}

fn check_fails<T: std::fmt::Debug>(outcome: ttrpc::Result<T>, code: Code, part: &str) {
    match outcome {
        Err(ttrpc::Error::RpcStatus(status)) => {
            assert_eq!(status.code(), code, "{}", status.message);
            assert!(status.message.contains(part), "{:?} lacks {part:?}", status.message);
        }
        other => panic!("{code:?} is due, not {other:?}"),
    }
}

#[tokio::test]
async fn health_and_versions() {
    let guest = Guest::start(Recorder::new()).await;
    let health = HealthClient::new(guest.client.clone());
    let status = health.check(deadline(), &CheckRequest::new()).await.unwrap().status;
    assert_eq!(status.value(), 1, "SERVING");
    let version = health.version(deadline(), &CheckRequest::new()).await.unwrap();
    assert_eq!(version.grpc_version, "0.0.1");
    assert_eq!(version.agent_version, env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn guest_details() {
    let os = Recorder::new().with_file("/sys/devices/system/memory/block_size_bytes", "8000000\n");
    let guest = Guest::start(os).await;
    let ask = GuestDetailsRequest { mem_block_size: true, ..Default::default() };
    let details = guest.rpc.get_guest_details(deadline(), &ask).await.unwrap();
    assert_eq!(details.mem_block_size_bytes, 128 << 20);
    assert_eq!(details.agent_details.version, env!("CARGO_PKG_VERSION"));
    assert!(!details.agent_details.init_daemon);
    assert_eq!(details.agent_details.storage_handlers, kata_agent::storage::DRIVERS);
    let details =
        guest.rpc.get_guest_details(deadline(), &GuestDetailsRequest::new()).await.unwrap();
    assert_eq!(details.mem_block_size_bytes, 0, "was not asked for");
}

#[tokio::test]
async fn sandbox_from_begin_to_end() {
    let guest = Guest::start(Recorder::new()).await;
    let request = CreateSandboxRequest {
        hostname: "pod".into(),
        sandbox_id: "abc-1".into(),
        dns: vec!["nameserver 192.0.2.1".into(), "search example.org".into()],
        storages: vec![Storage {
            driver: "ephemeral".into(),
            fstype: "tmpfs".into(),
            source: "shm".into(),
            mount_point: "/sandbox/shm".into(),
            options: vec!["noexec".into(), "size=65536".into()],
            ..Default::default()
        }],
        ..Default::default()
    };
    guest.rpc.create_sandbox(deadline(), &request).await.unwrap();
    let again = guest.rpc.create_sandbox(deadline(), &request).await;
    check_fails(again, Code::ALREADY_EXISTS, "abc-1");
    guest.rpc.destroy_sandbox(deadline(), &DestroySandboxRequest::new()).await.unwrap();
    tokio::time::timeout(LONG, guest.agent.wait_for_end()).await.expect("the agent is to end");
    expect_test::expect![[r#"
        mkdir /run 755
        mkdir /run/sandbox 755
        mkdir /run/shared/containers 755
        hostname pod
        namespace ipc /run/sandbox-ns/ipc "pod"
        namespace uts /run/sandbox-ns/uts "pod"
        mkdir /sandbox/shm 755
        mount shm /sandbox/shm tmpfs noexec,size=65536
        write /run/sandbox/resolv.conf "nameserver 192.0.2.1\nsearch example.org\n"
        mount /run/sandbox/resolv.conf /etc/resolv.conf - bind
        unmount /etc/resolv.conf lazily
        unmount /run/sandbox-ns/uts lazily
        unmount /run/sandbox-ns/ipc lazily
        unmount /sandbox/shm lazily
    "#]]
    .assert_eq(&guest.log());
    guest.server.stop().await;
}

#[tokio::test]
async fn a_sandbox_that_fails_leaves_nothing() {
    let guest = Guest::start(Recorder::new()).await;
    let storage = |driver: &str| Storage {
        driver: driver.into(),
        fstype: "tmpfs".into(),
        mount_point: format!("/{driver}"),
        ..Default::default()
    };
    let request = CreateSandboxRequest {
        storages: vec![storage("ephemeral"), storage("blk-ccw")],
        ..Default::default()
    };
    let outcome = guest.rpc.create_sandbox(deadline(), &request).await;
    check_fails(outcome, Code::UNIMPLEMENTED, "blk-ccw");
    let undone = "unmount /ephemeral lazily\n\
                  unmount /run/sandbox-ns/uts lazily\n\
                  unmount /run/sandbox-ns/ipc lazily\n";
    assert!(guest.log().ends_with(undone), "{}", guest.log());
    let bad = [
        CreateSandboxRequest { sandbox_id: "../x".into(), ..Default::default() },
        CreateSandboxRequest { hostname: "h".repeat(65), ..Default::default() },
        CreateSandboxRequest { dns: vec!["a\nb".into()], ..Default::default() },
        CreateSandboxRequest {
            kernel_modules: vec![KernelModule { name: "-r".into(), ..Default::default() }],
            ..Default::default()
        },
    ];
    for request in bad {
        let outcome = guest.rpc.create_sandbox(deadline(), &request).await;
        check_fails(outcome, Code::INVALID_ARGUMENT, "");
    }
    guest.rpc.create_sandbox(deadline(), &CreateSandboxRequest::new()).await.unwrap();
}

#[tokio::test]
async fn clock_and_random_pool() {
    let guest = Guest::start(Recorder::new().failing("clock 7 ", 1)).await;
    let set = |seconds, microseconds| SetGuestDateTimeRequest {
        Sec: seconds,
        Usec: microseconds,
        ..Default::default()
    };
    guest.rpc.set_guest_date_time(deadline(), &set(1_700_000_000, 5)).await.unwrap();
    let nonsense = guest.rpc.set_guest_date_time(deadline(), &set(1, 1_000_000)).await;
    check_fails(nonsense, Code::INVALID_ARGUMENT, "no time");
    let refused = guest.rpc.set_guest_date_time(deadline(), &set(7, 0)).await;
    check_fails(refused, Code::INTERNAL, "can't set the clock: ");
    let seed = |data: &[u8]| ReseedRandomDevRequest { data: data.to_vec(), ..Default::default() };
    guest.rpc.reseed_random_dev(deadline(), &seed(&[1, 2])).await.unwrap();
    let empty = guest.rpc.reseed_random_dev(deadline(), &seed(&[])).await;
    check_fails(empty, Code::INVALID_ARGUMENT, "no random bytes");
    assert_eq!(guest.log(), "clock 1700000000 5\nclock 7 0\nreseed [1, 2]\n");
}

#[tokio::test]
async fn files_arrive_and_stay_inside() {
    let guest = Guest::start(Recorder::new()).await;
    let shared = guest.folder.path().join("run/shared/containers");
    let request = |path: String| CopyFileRequest {
        path,
        file_size: 4,
        file_mode: 0o100_600,
        uid: -1,
        gid: -1,
        data: b"text".to_vec(),
        ..Default::default()
    };
    let inside = shared.join("c1/file");
    guest.rpc.copy_file(deadline(), &request(inside.display().to_string())).await.unwrap();
    assert_eq!(std::fs::read(&inside).unwrap(), b"text");
    assert_eq!(std::fs::metadata(&inside).unwrap().mode() & 0o777, 0o600);
    for path in ["/etc/evil".to_owned(), format!("{}/../evil", shared.display())] {
        let outcome = guest.rpc.copy_file(deadline(), &request(path)).await;
        check_fails(outcome, Code::INVALID_ARGUMENT, "is not below");
    }
    std::os::unix::fs::symlink("/", shared.join("top")).unwrap();
    let through = request(format!("{}/top/evil", shared.display()));
    let outcome = guest.rpc.copy_file(deadline(), &through).await;
    assert!(outcome.is_err() && !std::path::Path::new("/evil").exists());
}

#[tokio::test]
async fn metrics_count() {
    let guest = Guest::start(Recorder::new()).await;
    for scrape in 1..=2 {
        let text = guest.rpc.get_metrics(deadline(), &GetMetricsRequest::new()).await.unwrap();
        let count = format!("kata_agent_scrape_count {scrape}");
        assert!(text.metrics.lines().any(|line| line == count), "{}", text.metrics);
        assert!(text.metrics.contains("kata_guest_meminfo{item=\"memtotal\"} "));
        assert!(text.metrics.contains("kata_guest_load{item=\"load1\"} "));
    }
}

#[tokio::test]
async fn boot_report_and_other_diagnostics() {
    let guest = Guest::start(Recorder::new()).await;
    let ask = |log_type: &str| GetDiagnosticDataRequest {
        log_type: log_type.into(),
        container_id: "c1".into(),
        ..Default::default()
    };
    let answer = guest.rpc.get_diagnostic_data(deadline(), &ask(BOOT_REPORT)).await.unwrap();
    let report: BootReport = serde_json::from_str(&answer.data).unwrap();
    assert_eq!(report.agent_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(report.pid1.comm, std::fs::read_to_string("/proc/1/comm").unwrap().trim());
    assert!(!report.pid1.is_agent);
    assert_eq!(report.systemd.running, report.pid1.comm == "systemd");
    assert!(report.memory.total > report.memory.available && report.memory.available > 0);
    assert!(report.agent_rss_bytes > 0 && report.agent_ready_ns > 0);
    assert!(report.mounts.iter().any(|mount| mount.target == "/"));
    assert!(!report.root.fstype.is_empty());
    let none = guest.rpc.get_diagnostic_data(deadline(), &ask("termination_log")).await;
    check_fails(none, Code::NOT_FOUND, "c1");
    let unknown = guest.rpc.get_diagnostic_data(deadline(), &ask("weather")).await;
    check_fails(unknown, Code::INVALID_ARGUMENT, "weather");
}

#[tokio::test]
async fn the_network_is_listed_and_nonsense_refused() {
    let guest = Guest::start(Recorder::new()).await;
    let all = guest.rpc.list_interfaces(deadline(), &ListInterfacesRequest::new()).await.unwrap();
    assert!(all.Interfaces.iter().any(|link| link.name == "lo"), "{all:?}");
    guest.rpc.list_routes(deadline(), &ListRoutesRequest::new()).await.unwrap();
    let update = |interface: Interface| UpdateInterfaceRequest {
        interface: Some(interface).into(),
        ..Default::default()
    };
    let nameless = guest.rpc.update_interface(deadline(), &update(Interface::new())).await;
    check_fails(nameless, Code::INVALID_ARGUMENT, "name: ");
    let none = guest.rpc.update_interface(deadline(), &UpdateInterfaceRequest::new()).await;
    check_fails(none, Code::INVALID_ARGUMENT, "no interface");
    let unknown = Interface { name: "kata-nowhere".into(), ..Default::default() };
    let outcome = guest.rpc.update_interface(deadline(), &update(unknown.clone())).await;
    check_fails(outcome, Code::NOT_FOUND, "lo (");
    let path = |path: &str| update(Interface { devicePath: path.into(), ..unknown.clone() });
    let outcome = guest.rpc.update_interface(deadline(), &path("02/xy")).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "devicePath: ");
    let outcome = guest.rpc.update_interface(deadline(), &path("1f/1f")).await;
    check_fails(outcome, Code::NOT_FOUND, "network device at the PCI path 1f/1f");
    let neighbors = ARPNeighbors { ARPNeighbors: vec![ARPNeighbor::new()], ..Default::default() };
    let neighbors =
        AddARPNeighborsRequest { neighbors: Some(neighbors).into(), ..Default::default() };
    let outcome = guest.rpc.add_arp_neighbors(deadline(), &neighbors).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "neighbors[0].toIPAddress");
    let routes = Routes { Routes: vec![Route::new()], ..Default::default() };
    let routes = UpdateRoutesRequest { routes: Some(routes).into(), ..Default::default() };
    let outcome = guest.rpc.update_routes(deadline(), &routes).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "routes[0].device");
}

#[tokio::test]
async fn volumes_and_swap() {
    let guest = Guest::start(Recorder::new()).await;
    let stats =
        |path: &str| VolumeStatsRequest { volume_guest_path: path.into(), ..Default::default() };
    let answer = guest.rpc.get_volume_stats(deadline(), &stats("/proc")).await.unwrap();
    assert_eq!(answer.usage.len(), 2);
    let outcome = guest.rpc.get_volume_stats(deadline(), &stats("/nowhere")).await;
    check_fails(outcome, Code::NOT_FOUND, "/nowhere");
    let outcome = guest.rpc.get_volume_stats(deadline(), &stats("nowhere")).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "volume_guest_path");
    let resize = ResizeVolumeRequest { volume_guest_path: "/proc".into(), ..Default::default() };
    let outcome = guest.rpc.resize_volume(deadline(), &resize).await;
    check_fails(outcome, Code::FAILED_PRECONDITION, "is proc, and only ext4");
    let swap = |path: &str| AddSwapPathRequest { path: path.into(), ..Default::default() };
    let outcome = guest.rpc.add_swap_path(deadline(), &swap("/dev/nothing")).await;
    check_fails(outcome, Code::NOT_FOUND, "/dev/nothing");
    let outcome = guest.rpc.add_swap_path(deadline(), &swap("/dev/null")).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "no block device");
    let swap = |slots: &[u32]| AddSwapRequest { PCIPath: slots.to_vec(), ..Default::default() };
    let outcome = guest.rpc.add_swap(deadline(), &swap(&[])).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "PCIPath: ");
    let outcome = guest.rpc.add_swap(deadline(), &swap(&[31, 31])).await;
    check_fails(outcome, Code::NOT_FOUND, "block device at the PCI path 1f/1f");
    let stale = RemoveStaleVirtiofsShareMountsRequest::new();
    guest.rpc.remove_stale_virtiofs_share_mounts(deadline(), &stale).await.unwrap();
    assert_eq!(guest.log(), "");
}

#[tokio::test]
async fn the_memory_agent_is_off_or_obeys() {
    let guest = Guest::start(Recorder::new()).await;
    let memcg = MemAgentMemcgConfig { period_secs: Some(5), ..Default::default() };
    let off = guest.rpc.mem_agent_memcg_set(deadline(), &memcg).await;
    check_fails(off, Code::FAILED_PRECONDITION, "agent.mem_agent_enable");
    let settings = Settings { enable: true, ..Settings::default() };
    let guest = Guest::start_with(Recorder::new(), settings, Policy::default()).await;
    guest.rpc.mem_agent_memcg_set(deadline(), &memcg).await.unwrap();
    let compact = MemAgentCompactConfig { compact_order: Some(11), ..Default::default() };
    let wrong = guest.rpc.mem_agent_compact_set(deadline(), &compact).await;
    check_fails(wrong, Code::INVALID_ARGUMENT, "mem_agent_compact_order");
    let compact = MemAgentCompactConfig { compact_order: Some(10), ..Default::default() };
    guest.rpc.mem_agent_compact_set(deadline(), &compact).await.unwrap();
}

#[cfg(not(feature = "policy"))]
#[tokio::test]
async fn a_policy_needs_its_feature() {
    let guest = Guest::start(Recorder::new()).await;
    let request = SetPolicyRequest { policy: "package agent_policy".into(), ..Default::default() };
    let outcome = guest.rpc.set_policy(deadline(), &request).await;
    check_fails(outcome, Code::UNIMPLEMENTED, "without policies");
}

#[cfg(feature = "policy")]
#[tokio::test]
async fn a_policy_judges_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.rego");
    let rules = "package agent_policy\n\
                 CreateSandboxRequest if input.hostname == \"good\"\n\
                 SetPolicyRequest := true\n";
    std::fs::write(&file, rules).unwrap();
    let policy = Policy::load(&file).unwrap();
    let guest = Guest::start_with(Recorder::new(), Settings::default(), policy).await;
    let sandbox =
        |hostname: &str| CreateSandboxRequest { hostname: hostname.into(), ..Default::default() };
    let outcome = guest.rpc.create_sandbox(deadline(), &sandbox("bad")).await;
    check_fails(outcome, Code::PERMISSION_DENIED, "CreateSandboxRequest is blocked by policy");
    assert_eq!(guest.log(), "");
    guest.rpc.create_sandbox(deadline(), &sandbox("good")).await.unwrap();
    // Another policy, which allows no further one.
    let request = |text: &str| SetPolicyRequest { policy: text.into(), ..Default::default() };
    let outcome = guest.rpc.set_policy(deadline(), &request("package other")).await;
    check_fails(outcome, Code::INVALID_ARGUMENT, "its package is data.other");
    guest.rpc.set_policy(deadline(), &request("package agent_policy\nx := 1")).await.unwrap();
    let outcome = guest.rpc.set_policy(deadline(), &request(rules)).await;
    check_fails(outcome, Code::PERMISSION_DENIED, "SetPolicyRequest");
}

/// RPCs that do something, or wait, when they are called with nothing.
const NOT_EMPTY: [&str; 3] = ["CreateSandbox", "DestroySandbox", "GetOOMEvent"];

#[tokio::test]
async fn every_rpc_of_the_contract_is_served() {
    let guest = Guest::start(Recorder::new()).await;
    let contract = include_str!("../api/tests/contract.txt");
    let mut served = 0;
    for line in contract.lines() {
        let mut words = line.split(' ').skip(1);
        if (words.next(), words.next()) != (Some("rpc"), Some(AGENT_SERVICE)) {
            continue;
        }
        let name = words.next().unwrap();
        served += 1;
        // Without the feature there is no policy that could be set.
        if NOT_EMPTY.contains(&name) || name == "SetPolicy" {
            continue;
        }
        if let Err(ttrpc::Error::RpcStatus(status)) = guest.raw(name).await {
            assert_ne!(status.code(), Code::UNIMPLEMENTED, "{name}: {}", status.message);
        }
    }
    assert_eq!(served, 42);
    check_fails(guest.raw("Frobnicate").await, Code::UNIMPLEMENTED, "Frobnicate");
}

#[tokio::test]
async fn who_is_no_container_is_named() {
    let guest = Guest::start(Recorder::new()).await;
    for name in [
        "CloseStdin",
        "ExecProcess",
        "PauseContainer",
        "ReadStderr",
        "ReadStdout",
        "RemoveContainer",
        "ResumeContainer",
        "SignalProcess",
        "StartContainer",
        "StatsContainer",
        "TtyWinResize",
        "UpdateContainer",
        "WaitProcess",
        "WriteStdin",
    ] {
        check_fails(guest.raw(name).await, Code::NOT_FOUND, "there is no container");
    }
    check_fails(guest.raw("CreateContainer").await, Code::INVALID_ARGUMENT, "can't be");
}
