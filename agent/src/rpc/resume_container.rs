//! `ResumeContainer`: lets a paused container go on.

use std::sync::Arc;

use kata_agent_api::agent::ResumeContainerRequest;
use protobuf::well_known_types::empty::Empty;

use super::container::find;
use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: ResumeContainerRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let meant = Arc::clone(&record);
    in_background("resume the container", move || meant.container.resume()).await??;
    Ok(Empty::new())
}
