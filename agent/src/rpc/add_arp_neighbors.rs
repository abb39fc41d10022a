//! `AddARPNeighbors`: tells the guest who has which address.

use kata_agent_api::agent::AddARPNeighborsRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::network;
use crate::server::Agent;

pub(super) async fn call(_: &Agent, request: AddARPNeighborsRequest) -> Result<Empty, Fault> {
    let wanted = request
        .neighbors
        .into_option()
        .ok_or_else(|| Fault::InvalidArgument("there are no neighbours in the request".into()))?;
    in_background("add the neighbours", move || network::add_neighbors(&wanted.ARPNeighbors))
        .await??;
    Ok(Empty::new())
}
