//! `ListInterfaces`: all links with their addresses.

use kata_agent_api::agent::{Interfaces, ListInterfacesRequest};

use super::{Fault, in_background};
use crate::network;
use crate::server::Agent;

pub(super) async fn call(_: &Agent, _: ListInterfacesRequest) -> Result<Interfaces, Fault> {
    let all = in_background("list the interfaces", network::list_interfaces).await??;
    Ok(Interfaces { Interfaces: all, ..Default::default() })
}
