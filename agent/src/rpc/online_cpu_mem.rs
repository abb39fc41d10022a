//! `OnlineCPUMem`: switches on what the host has added to the machine.

use std::sync::Arc;

use kata_agent_api::agent::OnlineCPUMemRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Arc<Agent>, request: OnlineCPUMemRequest) -> Result<Empty, Fault> {
    if request.wait {
        online(agent, &request).await?;
        return Ok(Empty::new());
    }
    // Who does not wait does not learn of a failure either, so it is logged.
    let agent = Arc::clone(agent);
    tokio::spawn(async move {
        if let Err(fault) = online(&agent, &request).await {
            log::warn!("{fault}");
        }
    });
    Ok(Empty::new())
}

async fn online(agent: &Arc<Agent>, request: &OnlineCPUMemRequest) -> Result<(), Fault> {
    let wanted = usize::try_from(request.nb_cpus).unwrap_or(usize::MAX);
    if wanted > 0 {
        agent.resources.add_processors(&agent.os, &agent.devices, wanted).await?;
    }
    if !request.cpu_only {
        let (os, resources) = (Arc::clone(&agent.os), Arc::clone(&agent.resources));
        in_background("switch memory on", move || resources.add_memory(os.as_ref())).await??;
    }
    Ok(())
}
