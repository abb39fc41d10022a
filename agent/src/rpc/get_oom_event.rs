//! `GetOOMEvent`: waits until a container has run out of memory, and says which.

use kata_agent_api::agent::{GetOOMEventRequest, OOMEvent};

use super::Fault;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, _: GetOOMEventRequest) -> Result<OOMEvent, Fault> {
    let container_id = agent.oom_events.next().await;
    Ok(OOMEvent { container_id, ..Default::default() })
}
