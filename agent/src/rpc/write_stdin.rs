//! `WriteStdin`: writes to the standard input of a process, all of it. No bytes at all
//! mean that nothing more comes.

use kata_agent_api::agent::{WriteStreamRequest, WriteStreamResponse};

use super::Fault;
use super::container::{find, process};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: WriteStreamRequest,
) -> Result<WriteStreamResponse, Fault> {
    let record = find(agent, &request.container_id)?;
    let which = process(&record, &request.exec_id)?;
    let running = which.running(&record);
    if request.data.is_empty() {
        running.streams.close_stdin().await;
        return Ok(WriteStreamResponse::default());
    }
    running.streams.write_stdin(&request.data, &running.ending).await?;
    let len = u32::try_from(request.data.len()).unwrap_or(u32::MAX);
    Ok(WriteStreamResponse { len, ..Default::default() })
}
