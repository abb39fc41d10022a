//! `MemAgentCompactSet`: changes when free memory is made whole.

use kata_agent_api::agent::MemAgentCompactConfig;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use super::mem_agent_memcg_set::change;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: MemAgentCompactConfig) -> Result<Empty, Fault> {
    fn text<T: ToString>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let values = [
        ("mem_agent_compact_disable", text(request.disabled)),
        ("mem_agent_compact_period_secs", text(request.period_secs)),
        ("mem_agent_compact_period_psi_percent_limit", text(request.period_psi_percent_limit)),
        ("mem_agent_compact_psi_percent_limit", text(request.compact_psi_percent_limit)),
        ("mem_agent_compact_sec_max", text(request.compact_sec_max)),
        ("mem_agent_compact_order", text(request.compact_order)),
        ("mem_agent_compact_threshold", text(request.compact_threshold)),
        ("mem_agent_compact_force_times", text(request.compact_force_times)),
    ];
    change(&agent.mem_agent, &values)
}
