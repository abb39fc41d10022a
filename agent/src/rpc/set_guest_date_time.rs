//! `SetGuestDateTime`: sets the wall clock.

use kata_agent_api::agent::SetGuestDateTimeRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: SetGuestDateTimeRequest) -> Result<Empty, Fault> {
    let (seconds, microseconds) = (request.Sec, request.Usec);
    if seconds < 0 || !(0..1_000_000).contains(&microseconds) {
        return Err(Fault::InvalidArgument(format!(
            "{seconds} s and {microseconds} us since 1970 is no time"
        )));
    }
    agent.os.set_clock(seconds, microseconds).map_err(Fault::internal("can't set the clock"))?;
    Ok(Empty::new())
}
