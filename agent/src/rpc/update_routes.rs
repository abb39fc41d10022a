//! `UpdateRoutes`: replaces the routes that came from the host.

use kata_agent_api::agent::{Routes, UpdateRoutesRequest};

use super::{Fault, in_background};
use crate::network;
use crate::server::Agent;

pub(super) async fn call(_: &Agent, request: UpdateRoutesRequest) -> Result<Routes, Fault> {
    let wanted = request
        .routes
        .into_option()
        .ok_or_else(|| Fault::InvalidArgument("there are no routes in the request".into()))?;
    let routes = in_background("change the routes", move || network::update_routes(&wanted.Routes))
        .await??;
    Ok(Routes { Routes: routes, ..Default::default() })
}
