//! `SetPolicy`: another policy from now on, where the one in force allows that.

use kata_agent_api::agent::SetPolicyRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::server::Agent;

#[allow(clippy::unused_async, reason = "verbs are called alike")]
pub(super) async fn call(agent: &Agent, request: SetPolicyRequest) -> Result<Empty, Fault> {
    agent.policy.replace(&request.policy)?;
    Ok(Empty::new())
}
