//! `UpdateInterface`: makes a link what the host wants, once its device is there.

use kata_agent_api::agent::UpdateInterfaceRequest;
use kata_agent_api::types::Interface;

use super::{Fault, in_background};
use crate::device::PciPath;
use crate::network;
use crate::server::Agent;

pub(super) async fn call(
    agent: &Agent,
    request: UpdateInterfaceRequest,
) -> Result<Interface, Fault> {
    let interface = request
        .interface
        .into_option()
        .ok_or_else(|| Fault::InvalidArgument("there is no interface in the request".into()))?;
    if !interface.devicePath.is_empty() {
        let path: PciPath = interface
            .devicePath
            .parse()
            .map_err(|problem| Fault::InvalidArgument(format!("devicePath: {problem}")))?;
        agent.devices.network_by_pci(&path).await?;
    }
    Ok(in_background("change the interface", move || network::update_interface(&interface))
        .await??)
}
