//! `WaitProcess`: waits until a process has ended. Everyone who asks is told.

use kata_agent_api::agent::{WaitProcessRequest, WaitProcessResponse};

use super::Fault;
use super::container::{find, process};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: WaitProcessRequest,
) -> Result<WaitProcessResponse, Fault> {
    let record = find(agent, &request.container_id)?;
    let which = process(&record, &request.exec_id)?;
    let status = which.wait(&record).await;
    let status = status.ok_or_else(|| Fault::Failed("nobody knows how it ended".to_owned()))?;
    Ok(WaitProcessResponse { status, ..Default::default() })
}
