//! `CloseStdin`: tells a process that nothing more comes on its standard input.

use kata_agent_api::agent::CloseStdinRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use super::container::{find, process};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: CloseStdinRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let which = process(&record, &request.exec_id)?;
    which.running(&record).streams.close_stdin().await;
    Ok(Empty::new())
}
