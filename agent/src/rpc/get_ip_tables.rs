//! `GetIPTables`: the rules of the guest's packet filter, as text.

use kata_agent_api::agent::{GetIPTablesRequest, GetIPTablesResponse};

use super::Fault;
use crate::network::tables::Tables;
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: GetIPTablesRequest,
) -> Result<GetIPTablesResponse, Fault> {
    let rules = Tables::new(&agent.reaper, request.is_ipv6).save().await?;
    Ok(GetIPTablesResponse { data: rules.into_bytes(), ..Default::default() })
}
