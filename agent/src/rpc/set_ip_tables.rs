//! `SetIPTables`: replaces rules of the guest's packet filter.

use kata_agent_api::agent::{SetIPTablesRequest, SetIPTablesResponse};

use super::Fault;
use crate::network::tables::Tables;
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: SetIPTablesRequest,
) -> Result<SetIPTablesResponse, Fault> {
    let said = Tables::new(&agent.reaper, request.is_ipv6).restore(&request.data).await?;
    Ok(SetIPTablesResponse { data: said.into_bytes(), ..Default::default() })
}
