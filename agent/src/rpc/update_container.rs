//! `UpdateContainer`: gives a container other limits.

use std::sync::Arc;

use kata_agent_api::agent::UpdateContainerRequest;
use kata_agent_api::spec;
use protobuf::well_known_types::empty::Empty;

use super::container::find;
use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: UpdateContainerRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let Some(resources) = request.resources.as_ref() else { return Ok(Empty::new()) };
    let resources = spec::resources(resources)?;
    let updating = Arc::clone(&record);
    in_background("set the limits", move || updating.container.update(&resources)).await??;
    Ok(Empty::new())
}
