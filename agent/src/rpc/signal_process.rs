//! `SignalProcess`: sends a signal to one process of a container or, when none is named,
//! to all. Those that have ended take any.

use std::sync::Arc;

use kata_agent_api::agent::SignalProcessRequest;
use nix::libc;
use protobuf::well_known_types::empty::Empty;

use super::container::{find, process};
use super::{Fault, in_background};
use crate::container::{Record, Which};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: SignalProcessRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let signal = i32::try_from(request.signal).ok().filter(|signal| (0..=64).contains(signal));
    let signal =
        signal.ok_or_else(|| Fault::InvalidArgument(format!("{} is no signal", request.signal)))?;
    let which = process(&record, &request.exec_id)?;
    let signal = effective(&record, &which, signal);
    if request.exec_id.is_empty() {
        let all = Arc::clone(&record);
        in_background("signal the container", move || all.container.signal_all(signal)).await??;
    } else {
        which.signal(&record, signal)?;
    }
    Ok(Empty::new())
}

/// The first process of a pid namespace never gets SIGTERM when it has no handler for it.
/// Who asks for its end means it.
fn effective(record: &Record, which: &Which, signal: i32) -> i32 {
    let deaf = matches!(which, Which::First)
        && signal == libc::SIGTERM
        && record.first.ending.code().is_none()
        && !record.container.first().handles(signal).unwrap_or(true);
    if deaf { libc::SIGKILL } else { signal }
}
