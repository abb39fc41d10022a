//! The services, one file a verb. This file says which RPC is served by what; a
//! verb's file holds what it does. Verbs speak of the guest in plain errors
//! ([`Fault`]); only [`Fault`] knows how those look on the wire.

mod add_arp_neighbors;
mod add_swap;
mod add_swap_path;
mod check;
mod close_stdin;
mod container;
mod copy_file;
mod create_container;
mod create_sandbox;
mod destroy_sandbox;
mod exec_process;
mod fault;
mod get_diagnostic_data;
mod get_guest_details;
mod get_ip_tables;
mod get_metrics;
mod get_oom_event;
mod get_volume_stats;
mod list_interfaces;
mod list_routes;
mod mem_agent_compact_set;
mod mem_agent_memcg_set;
mod mem_hotplug_by_probe;
mod online_cpu_mem;
mod path;
mod pause_container;
mod read_stderr;
mod read_stdout;
mod remove_container;
mod remove_stale_virtiofs_share_mounts;
mod reseed_random_dev;
mod resize_volume;
mod resume_container;
mod set_guest_date_time;
mod set_ip_tables;
mod set_policy;
mod signal_process;
mod start_container;
mod stats_container;
mod string_user;
mod termination_log;
mod tty_win_resize;
mod update_container;
mod update_ephemeral_mounts;
mod update_interface;
mod update_routes;
mod version;
mod wait_process;
mod write_stdin;

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use kata_agent_api::{agent, agent_ttrpc, csi, health, health_ttrpc, types};
use protobuf::well_known_types::empty::Empty;
use ttrpc::asynchronous::TtrpcContext;

pub use fault::Fault;

use crate::server::Agent;

/// Serves both services.
pub struct Service {
    agent: Arc<Agent>,
}

impl Service {
    /// Serves calls on behalf of `agent`.
    #[must_use]
    pub fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }
}

/// Does `what` where it holds nobody up: the kernel may take its time.
async fn in_background<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::internal(format!("can't {what}"))(io::Error::other(error)))
}

/// What a policy does not allow to read, and what is not refused all the same.
const BLANKED: &str = "ReadStreamRequest";

/// A type's own name, by which policies know requests.
fn type_name(path: &'static str) -> &'static str {
    path.rsplit([':', ' ']).next().unwrap_or(path)
}

/// Turns the table below into the service: a verb is served by its module's `call`.
macro_rules! agent_service {
    (
        $($verb:ident: $request:ty => $response:ty;)*
    ) => {
        #[async_trait]
        impl agent_ttrpc::AgentService for Service {
            $(
                async fn $verb(
                    &self,
                    context: &TtrpcContext,
                    request: $request,
                ) -> ttrpc::Result<$response> {
                    log::debug!(concat!("request ", stringify!($verb)));
                    let span = self.agent.tracer.rpc(stringify!($verb), context, &request);
                    let name = type_name(stringify!($request));
                    let verdict = self.agent.policy.check(name, &request);
                    // Output that must not be seen is still read, or its writer would
                    // be held up.
                    let blanked = verdict.is_err() && name == BLANKED;
                    let answer = match verdict {
                        Err(denied) if !blanked => Err(denied.into()),
                        _ => $verb::call(&self.agent, request).await,
                    };
                    let answer = match answer {
                        Ok(_) if blanked => Ok(Default::default()),
                        answer => answer.map_err(ttrpc::Error::from),
                    };
                    span.end(&answer);
                    answer
                }
            )*
        }
    };
}

agent_service! {
    add_arp_neighbors: agent::AddARPNeighborsRequest => Empty;
    add_swap: agent::AddSwapRequest => Empty;
    add_swap_path: agent::AddSwapPathRequest => Empty;
    close_stdin: agent::CloseStdinRequest => Empty;
    copy_file: agent::CopyFileRequest => Empty;
    create_container: agent::CreateContainerRequest => Empty;
    create_sandbox: agent::CreateSandboxRequest => Empty;
    destroy_sandbox: agent::DestroySandboxRequest => Empty;
    exec_process: agent::ExecProcessRequest => Empty;
    get_diagnostic_data: agent::GetDiagnosticDataRequest => agent::GetDiagnosticDataResponse;
    get_guest_details: agent::GuestDetailsRequest => agent::GuestDetailsResponse;
    get_ip_tables: agent::GetIPTablesRequest => agent::GetIPTablesResponse;
    get_metrics: agent::GetMetricsRequest => agent::Metrics;
    get_oom_event: agent::GetOOMEventRequest => agent::OOMEvent;
    get_volume_stats: agent::VolumeStatsRequest => csi::VolumeStatsResponse;
    list_interfaces: agent::ListInterfacesRequest => agent::Interfaces;
    list_routes: agent::ListRoutesRequest => agent::Routes;
    mem_agent_compact_set: agent::MemAgentCompactConfig => Empty;
    mem_agent_memcg_set: agent::MemAgentMemcgConfig => Empty;
    mem_hotplug_by_probe: agent::MemHotplugByProbeRequest => Empty;
    online_cpu_mem: agent::OnlineCPUMemRequest => Empty;
    pause_container: agent::PauseContainerRequest => Empty;
    read_stderr: agent::ReadStreamRequest => agent::ReadStreamResponse;
    read_stdout: agent::ReadStreamRequest => agent::ReadStreamResponse;
    remove_container: agent::RemoveContainerRequest => Empty;
    remove_stale_virtiofs_share_mounts: agent::RemoveStaleVirtiofsShareMountsRequest => Empty;
    reseed_random_dev: agent::ReseedRandomDevRequest => Empty;
    resize_volume: agent::ResizeVolumeRequest => Empty;
    resume_container: agent::ResumeContainerRequest => Empty;
    set_guest_date_time: agent::SetGuestDateTimeRequest => Empty;
    set_ip_tables: agent::SetIPTablesRequest => agent::SetIPTablesResponse;
    set_policy: agent::SetPolicyRequest => Empty;
    signal_process: agent::SignalProcessRequest => Empty;
    start_container: agent::StartContainerRequest => Empty;
    stats_container: agent::StatsContainerRequest => agent::StatsContainerResponse;
    tty_win_resize: agent::TtyWinResizeRequest => Empty;
    update_container: agent::UpdateContainerRequest => Empty;
    update_ephemeral_mounts: agent::UpdateEphemeralMountsRequest => Empty;
    update_interface: agent::UpdateInterfaceRequest => types::Interface;
    update_routes: agent::UpdateRoutesRequest => agent::Routes;
    wait_process: agent::WaitProcessRequest => agent::WaitProcessResponse;
    write_stdin: agent::WriteStreamRequest => agent::WriteStreamResponse;
}

#[async_trait]
impl health_ttrpc::Health for Service {
    async fn check(
        &self,
        _: &TtrpcContext,
        request: health::CheckRequest,
    ) -> ttrpc::Result<health::HealthCheckResponse> {
        Ok(check::call(&request))
    }

    async fn version(
        &self,
        _: &TtrpcContext,
        _: health::CheckRequest,
    ) -> ttrpc::Result<health::VersionCheckResponse> {
        Ok(version::call())
    }
}
