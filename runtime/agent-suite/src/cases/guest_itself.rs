//! RPCs about the guest and not a container of it.

use kata_agent_api::agent::{
    AddARPNeighborsRequest, AddSwapPathRequest, AddSwapRequest, CopyFileRequest,
    GetDiagnosticDataRequest, GetIPTablesRequest, GetMetricsRequest, GuestDetailsRequest,
    ListInterfacesRequest, ListRoutesRequest, MemAgentCompactConfig, MemAgentMemcgConfig,
    MemHotplugByProbeRequest, OnlineCPUMemRequest, RemoveStaleVirtiofsShareMountsRequest,
    ReseedRandomDevRequest, SetGuestDateTimeRequest, SetIPTablesRequest, SetPolicyRequest,
    UpdateInterfaceRequest, UpdateRoutesRequest,
};
use kata_agent_api::types::{IPAddress, Interface};
use protobuf::MessageField;
use ttrpc::Code;

use crate::guest::Guest;
use crate::trouble::{Trouble, call, contains, equal, holds, refused};

pub(super) async fn what_it_is(guest: &Guest) -> Result<(), Trouble> {
    let request = GuestDetailsRequest { mem_block_size: true, ..Default::default() };
    let answer = guest.rpc.get_guest_details(guest.soon(), &request).await;
    let details = answer.map_err(call("GetGuestDetails"))?;
    holds(details.mem_block_size_bytes > 0, "memory has no blocks")?;
    holds(details.agent_details.supports_seccomp, "it knows no seccomp")?;
    holds(
        details.agent_details.storage_handlers.iter().any(|driver| driver == "overlayfs"),
        format!("its storages: {:?}", details.agent_details.storage_handlers),
    )?;
    let answer = guest.rpc.get_metrics(guest.soon(), &GetMetricsRequest::default()).await;
    let metrics = answer.map_err(call("GetMetrics"))?.metrics;
    contains("the metrics", &metrics, "kata_guest_meminfo")?;
    let request = GetDiagnosticDataRequest { log_type: "no".to_owned(), ..Default::default() };
    let answer = guest.rpc.get_diagnostic_data(guest.soon(), &request).await;
    refused("data of no type", answer, Code::INVALID_ARGUMENT, "termination_log")?;
    // No policy reads like this, whether the agent was built to know any or not.
    let request = SetPolicyRequest { policy: "no policy".to_owned(), ..Default::default() };
    match guest.rpc.set_policy(guest.soon(), &request).await {
        Err(ttrpc::Error::RpcStatus(status)) if status.code() == Code::UNIMPLEMENTED => {
            contains("what it lacks", &status.message, "feature policy")
        }
        answer => refused("no policy", answer, Code::INVALID_ARGUMENT, "SetPolicy"),
    }
}

pub(super) async fn clock_and_chance(guest: &Guest) -> Result<(), Trouble> {
    let request = ReseedRandomDevRequest { data: vec![7; 64], ..Default::default() };
    guest.rpc.reseed_random_dev(guest.soon(), &request).await.map_err(call("ReseedRandomDev"))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let request = SetGuestDateTimeRequest {
        Sec: i64::try_from(now.as_secs()).unwrap_or_default(),
        ..Default::default()
    };
    guest
        .rpc
        .set_guest_date_time(guest.soon(), &request)
        .await
        .map_err(call("SetGuestDateTime"))?;
    let bad = SetGuestDateTimeRequest { Sec: 1, Usec: -1, ..Default::default() };
    let answer = guest.rpc.set_guest_date_time(guest.soon(), &bad).await;
    refused("less than no time", answer, Code::INVALID_ARGUMENT, "")
}

pub(super) async fn links_and_routes(guest: &Guest) -> Result<(), Trouble> {
    let answer = guest.rpc.list_interfaces(guest.soon(), &ListInterfacesRequest::default()).await;
    let all = answer.map_err(call("ListInterfaces"))?;
    holds(all.Interfaces.iter().any(|one| one.name == "lo"), format!("{all:?}"))?;
    let answer = guest.rpc.list_routes(guest.soon(), &ListRoutesRequest::default()).await;
    answer.map_err(call("ListRoutes"))?;
    let address = IPAddress { address: "10.9.8.7".into(), mask: "24".into(), ..Default::default() };
    let request = UpdateInterfaceRequest {
        interface: MessageField::some(Interface {
            name: "none0".into(),
            hwAddr: "02:00:00:00:00:99".into(),
            IPAddresses: vec![address],
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = guest.rpc.update_interface(guest.soon(), &request).await;
    refused("no such link", answer, Code::NOT_FOUND, "02:00:00:00:00:99")?;
    let request = UpdateRoutesRequest {
        routes: MessageField::some(Default::default()),
        ..Default::default()
    };
    let answer = guest.rpc.update_routes(guest.soon(), &request).await;
    answer.map_err(call("UpdateRoutes"))?;
    let request = AddARPNeighborsRequest {
        neighbors: MessageField::some(Default::default()),
        ..Default::default()
    };
    let answer = guest.rpc.add_arp_neighbors(guest.soon(), &request).await;
    answer.map_err(call("AddARPNeighbors"))?;
    Ok(())
}

pub(super) async fn packet_filter(guest: &Guest) -> Result<(), Trouble> {
    let request = GetIPTablesRequest::default();
    let rules = match guest.rpc.get_ip_tables(guest.soon(), &request).await {
        // A guest's image need not have the program.
        Err(ttrpc::Error::RpcStatus(status)) if status.code() == Code::FAILED_PRECONDITION => {
            return contains("what it lacks", &status.message, "iptables");
        }
        answer => answer.map_err(call("GetIPTables"))?.data,
    };
    let request = SetIPTablesRequest { data: rules, ..Default::default() };
    guest.rpc.set_ip_tables(guest.soon(), &request).await.map_err(call("SetIPTables"))?;
    Ok(())
}

pub(super) async fn processors_and_memory(guest: &Guest) -> Result<(), Trouble> {
    let request = OnlineCPUMemRequest { wait: true, ..Default::default() };
    guest.rpc.online_cpu_mem(guest.soon(), &request).await.map_err(call("OnlineCPUMem"))?;
    let request =
        OnlineCPUMemRequest { wait: true, nb_cpus: 1, cpu_only: true, ..Default::default() };
    let answer = guest.rpc.online_cpu_mem(guest.soon(), &request).await;
    refused("a processor that never comes", answer, Code::FAILED_PRECONDITION, "0 of 1")?;
    let request = MemHotplugByProbeRequest::default();
    let answer = guest.rpc.mem_hotplug_by_probe(guest.soon(), &request).await;
    refused("no addresses", answer.map(drop), Code::FAILED_PRECONDITION, "MEMORY_PROBE")?;
    let request = AddSwapPathRequest { path: "/dev/none".into(), ..Default::default() };
    let answer = guest.rpc.add_swap_path(guest.soon(), &request).await;
    refused("no such disk", answer.map(drop), Code::NOT_FOUND, "none")?;
    let request = AddSwapRequest { PCIPath: vec![31, 31], ..Default::default() };
    let answer = guest.rpc.add_swap(guest.soon(), &request).await;
    refused("no such disk", answer.map(drop), Code::NOT_FOUND, "1f/1f")
}

pub(super) async fn reclaiming_memory(guest: &Guest) -> Result<(), Trouble> {
    let request = MemAgentMemcgConfig { period_secs: Some(600), ..Default::default() };
    let answer = guest.rpc.mem_agent_memcg_set(guest.soon(), &request).await;
    let compact = MemAgentCompactConfig { period_secs: Some(600), ..Default::default() };
    let other = guest.rpc.mem_agent_compact_set(guest.soon(), &compact).await;
    // It is off unless a guest is started with it.
    refused("settings of what is off", answer, Code::FAILED_PRECONDITION, "mem_agent_enable")?;
    refused("settings of what is off", other, Code::FAILED_PRECONDITION, "mem_agent_enable")
}

pub(super) async fn files(guest: &Guest) -> Result<(), Trouble> {
    for path in ["/etc/passwd", "/run/kata-containers/shared/containers/../../x", "relative"] {
        let request = CopyFileRequest {
            path: path.to_owned(),
            file_mode: 0o100_644,
            data: b"x".to_vec(),
            file_size: 1,
            ..Default::default()
        };
        let answer = guest.rpc.copy_file(guest.soon(), &request).await;
        refused(path, answer, Code::INVALID_ARGUMENT, "")?;
    }
    let request = RemoveStaleVirtiofsShareMountsRequest::default();
    let answer = guest.rpc.remove_stale_virtiofs_share_mounts(guest.soon(), &request).await;
    equal("an answer", &answer.map_err(call("RemoveStaleVirtiofsShareMounts")).is_ok(), &true)
}
