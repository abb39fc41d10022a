//! `DestroySandbox`: undoes the sandbox and asks the agent to end. The answer goes
//! out first; the end is the main task's business.

use std::sync::Arc;

use kata_agent_api::agent::DestroySandboxRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use super::remove_container::remove;
use crate::server::Agent;

pub(super) async fn call(agent: &Arc<Agent>, _: DestroySandboxRequest) -> Result<Empty, Fault> {
    for record in agent.containers.all() {
        if let Err(fault) = remove(agent, &record).await {
            log::warn!("{fault}");
        }
    }
    // Without a sandbox there is still a guest that somebody wants to be gone.
    if let Some(mut sandbox) = agent.sandbox.lock().await.take() {
        sandbox.unmount_all(agent.os.as_ref());
        log::info!(id = sandbox.id; "sandbox destroyed");
    }
    agent.end();
    Ok(Empty::new())
}
