//! `MemHotplugByProbe`: tells the kernel where there is new memory.

use std::sync::Arc;

use kata_agent_api::agent::MemHotplugByProbeRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Agent, request: MemHotplugByProbeRequest) -> Result<Empty, Fault> {
    let resources = Arc::clone(&agent.resources);
    if !resources.memory_probe().exists() {
        return Err(Fault::FailedPrecondition(
            "the guest kernel takes no addresses of memory (CONFIG_ARCH_MEMORY_PROBE)".to_owned(),
        ));
    }
    let os = Arc::clone(&agent.os);
    let work = move || {
        let mut addresses = request.memHotplugProbeAddr.iter();
        addresses.try_for_each(|address| resources.probe_memory(os.as_ref(), *address))
    };
    in_background("add memory", work).await??;
    Ok(Empty::new())
}
