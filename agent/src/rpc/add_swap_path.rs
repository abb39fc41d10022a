//! `AddSwapPath`: swaps to a disk, by its node.

use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use kata_agent_api::agent::AddSwapPathRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background, path};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: AddSwapPathRequest) -> Result<Empty, Fault> {
    let node = path::plain("path", &request.path)?.to_owned();
    let is_disk = std::fs::metadata(&node)
        .map_err(|error| Fault::NotFound(format!("there is no {}: {error}", node.display())))?
        .file_type()
        .is_block_device();
    if !is_disk {
        return Err(Fault::InvalidArgument(format!("{} is no block device", node.display())));
    }
    let os = Arc::clone(&agent.os);
    let what = format!("can't swap to {}", node.display());
    let done = in_background("swap", move || os.swap_on(&node)).await?;
    done.map_err(Fault::internal(what))?;
    Ok(Empty::new())
}
