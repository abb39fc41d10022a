//! `StartContainer`: lets the program run that `CreateContainer` has prepared.

use std::sync::Arc;

use kata_agent_api::agent::StartContainerRequest;
use protobuf::well_known_types::empty::Empty;

use super::container::{find, to_the_end};
use super::{Fault, in_background};
use crate::container::{Record, Watched};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Arc<Agent>,
    request: StartContainerRequest,
) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let agent = Arc::clone(agent);
    to_the_end("start the container", async move {
        watch(&agent, &record).await?;
        let starting = Arc::clone(&record);
        in_background("start the container", move || starting.container.start()).await??;
        log::info!(id = record.container.id(); "container started");
        Ok(())
    })
    .await?;
    Ok(Empty::new())
}

/// The sandbox's own container only holds namespaces: what it runs is never big.
async fn watch(agent: &Agent, record: &Record) -> Result<(), Fault> {
    let id = record.container.id();
    let is_sandbox = agent.sandbox.lock().await.as_ref().is_some_and(|sandbox| sandbox.id == id);
    if is_sandbox || record.oom.get().is_some() {
        return Ok(());
    }
    let watched = Watched::start(&agent.oom_events, id, record.container.oom_watch()?);
    let watched = watched.map_err(Fault::internal("can't watch the container's memory"))?;
    let _ = record.oom.set(watched);
    Ok(())
}
