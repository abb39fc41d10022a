//! `PauseContainer`: stops all processes of a container where they are.

use std::sync::Arc;

use kata_agent_api::agent::PauseContainerRequest;
use protobuf::well_known_types::empty::Empty;

use super::container::find;
use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: PauseContainerRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let meant = Arc::clone(&record);
    in_background("pause the container", move || meant.container.pause()).await??;
    Ok(Empty::new())
}
