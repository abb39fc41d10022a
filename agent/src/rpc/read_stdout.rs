//! `ReadStdout`: what a process wrote to its standard output, waited for. The end is an error that
//! says EOF.

use kata_agent_api::agent::{ReadStreamRequest, ReadStreamResponse};

use super::Fault;
use super::container::{find, process};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: ReadStreamRequest,
) -> Result<ReadStreamResponse, Fault> {
    let record = find(agent, &request.container_id)?;
    let which = process(&record, &request.exec_id)?;
    let running = which.running(&record);
    let most = usize::try_from(request.len).unwrap_or(usize::MAX);
    let data = running.streams.read_stdout(most, &running.ending).await?;
    Ok(ReadStreamResponse { data, ..Default::default() })
}
