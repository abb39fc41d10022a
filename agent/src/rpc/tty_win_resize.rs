//! `TtyWinResize`: tells the terminal of a process its size.

use kata_agent_api::agent::TtyWinResizeRequest;
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use super::container::{find, process};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: TtyWinResizeRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let which = process(&record, &request.exec_id)?;
    let fit = |name: &str, number: u32| {
        u16::try_from(number).map_err(|_| {
            Fault::InvalidArgument(format!("{number} is more than a terminal has of {name}s"))
        })
    };
    let (rows, columns) = (fit("row", request.row)?, fit("column", request.column)?);
    which.running(&record).streams.resize(rows, columns)?;
    Ok(Empty::new())
}
