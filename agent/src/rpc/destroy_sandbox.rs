//! `DestroySandbox`: undoes the sandbox and asks the agent to end. The answer goes
//! out first; the end is the main task's business.

use kata_agent_api::agent::DestroySandboxRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, _: DestroySandboxRequest) -> Result<Empty, Fault> {
    // Without a sandbox there is still a guest that somebody wants to be gone.
    if let Some(mut sandbox) = agent.sandbox.lock().await.take() {
        sandbox.unmount_all(agent.os.as_ref());
        log::info!(id = sandbox.id; "sandbox destroyed");
    }
    agent.end();
    Ok(Empty::new())
}
