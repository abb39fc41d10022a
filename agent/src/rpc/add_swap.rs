//! `AddSwap`: swaps to a disk, by its PCI path.

use std::sync::Arc;

use kata_agent_api::agent::AddSwapRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::device::PciPath;
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: AddSwapRequest) -> Result<Empty, Fault> {
    let path = PciPath::of_slots(&request.PCIPath)
        .map_err(|problem| Fault::InvalidArgument(format!("PCIPath: {problem}")))?;
    let disk = agent.devices.block_by_pci(&path).await?;
    let os = Arc::clone(&agent.os);
    let what = format!("can't swap to {}", disk.path.display());
    let done = in_background("swap", move || os.swap_on(&disk.path)).await?;
    done.map_err(Fault::internal(what))?;
    Ok(Empty::new())
}
