//! `MemAgentMemcgSet`: changes when memory of idle control groups is reclaimed.

use kata_agent_api::agent::MemAgentMemcgConfig;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::mem_agent::MemAgent;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: MemAgentMemcgConfig) -> Result<Empty, Fault> {
    fn text<T: ToString>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let values = [
        ("mem_agent_memcg_disable", text(request.disabled)),
        ("mem_agent_memcg_swap", text(request.swap)),
        ("mem_agent_memcg_swappiness_max", text(request.swappiness_max)),
        ("mem_agent_memcg_period_secs", text(request.period_secs)),
        ("mem_agent_memcg_period_psi_percent_limit", text(request.period_psi_percent_limit)),
        ("mem_agent_memcg_eviction_psi_percent_limit", text(request.eviction_psi_percent_limit)),
        (
            "mem_agent_memcg_eviction_run_aging_count_min",
            text(request.eviction_run_aging_count_min),
        ),
    ];
    change(&agent.mem_agent, &values)
}

/// Changes settings of a memory agent that is on.
pub(super) fn change(
    mem_agent: &MemAgent,
    values: &[(&str, Option<String>)],
) -> Result<Empty, Fault> {
    match mem_agent.change(values) {
        Ok(true) => Ok(Empty::new()),
        Ok(false) => Err(Fault::FailedPrecondition(
            "the memory agent is off; agent.mem_agent_enable=true on the guest's kernel command \
             line switches it on"
                .to_owned(),
        )),
        Err(problem) => Err(Fault::InvalidArgument(problem)),
    }
}
