//! `ReseedRandomDev`: feeds the kernel's random pool.

use kata_agent_api::agent::ReseedRandomDevRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: ReseedRandomDevRequest) -> Result<Empty, Fault> {
    if request.data.is_empty() {
        return Err(Fault::InvalidArgument("there are no random bytes in the request".to_owned()));
    }
    agent.os.reseed_random(&request.data).map_err(Fault::internal("can't feed the random pool"))?;
    Ok(Empty::new())
}
