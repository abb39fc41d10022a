//! `RemoveContainer`: ends a container, if it still runs, and takes away what was made
//! for it.

use std::sync::Arc;
use std::time::Duration;

use kata_agent_api::agent::RemoveContainerRequest;
use protobuf::well_known_types::empty::Empty;

use super::container::{find, to_the_end};
use super::{Fault, in_background};
use crate::container::Record;
use crate::container::bundle::{self, Bundle};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Arc<Agent>,
    request: RemoveContainerRequest,
) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let owner = Arc::clone(agent);
    let work = to_the_end("remove the container", async move { remove(&owner, &record).await });
    if request.timeout == 0 {
        work.await?;
        return Ok(Empty::new());
    }
    let patience = Duration::from_secs(request.timeout.into());
    // What was begun goes on.
    let timed = tokio::time::timeout(patience, work).await;
    timed.map_err(|_| {
        let id = &request.container_id;
        Fault::DeadlineExceeded(format!("the container {id:?} was not removed in {patience:?}"))
    })??;
    Ok(Empty::new())
}

/// Removes a container. Only the first call does it; a failed one can be repeated.
pub(super) async fn remove(agent: &Arc<Agent>, record: &Arc<Record>) -> Result<(), Fault> {
    let mut removed = record.removed.lock().await;
    if *removed {
        return Ok(());
    }
    if let Some(watched) = record.oom.get() {
        watched.look();
    }
    let deleting = Arc::clone(record);
    in_background("delete the container", move || deleting.container.delete()).await??;
    *removed = true;
    let id = record.container.id();
    let os = agent.os.as_ref();
    let folder = agent.paths.container(id);
    let bundle = Bundle { folder, root_is_bound: record.root_is_bound };
    bundle::unbind(os, &bundle);
    if let Some(sandbox) = agent.sandbox.lock().await.as_mut() {
        sandbox.storages.drop_all(os, &record.storages);
    }
    bundle::remove(os, &bundle.folder);
    agent.containers.forget(id);
    log::info!(id = id; "container removed");
    Ok(())
}
