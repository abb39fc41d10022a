//! kata-agent-ctl against the agent of a real guest, over the guest's vsock.

use super::running::Guest;
use hypervisor::Hypervisor;
use std::path::Path;

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
    assert!(exit.is_guest_shutdown(), "{exit:?}\n{}", guest.words());
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
    assert!(guest.ended().is_guest_shutdown(), "{}", guest.words());
}
