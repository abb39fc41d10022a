//! `ListRoutes`: all routes of the main table.

use kata_agent_api::agent::{ListRoutesRequest, Routes};

use super::{Fault, in_background};
use crate::network;
use crate::server::Agent;

pub(super) async fn call(_: &Agent, _: ListRoutesRequest) -> Result<Routes, Fault> {
    let all = in_background("list the routes", network::list_routes).await??;
    Ok(Routes { Routes: all, ..Default::default() })
}
