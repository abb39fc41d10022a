//! `OnlineCPUMem`: switches on what the host has added to the machine.

use std::sync::Arc;

use kata_agent_api::agent::OnlineCPUMemRequest;
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background};
use crate::server::Agent;

pub(super) async fn call(agent: &Arc<Agent>, request: OnlineCPUMemRequest) -> Result<Empty, Fault> {
    if request.wait {
        online(agent, &request).await?;
        return Ok(Empty::new());
    }
    // Who does not wait does not learn of a failure either, so it is logged.
    let agent = Arc::clone(agent);
    tokio::spawn(async move {
        if let Err(fault) = online(&agent, &request).await {
            log::warn!("{fault}");
        }
    });
    Ok(Empty::new())
}

async fn online(agent: &Arc<Agent>, request: &OnlineCPUMemRequest) -> Result<(), Fault> {
    let wanted = usize::try_from(request.nb_cpus).unwrap_or(usize::MAX);
    if wanted > 0 {
        agent.resources.add_processors(&agent.os, &agent.devices, wanted).await?;
    }
    if !request.cpu_only {
        let (os, resources) = (Arc::clone(&agent.os), Arc::clone(&agent.resources));
        in_background("switch memory on", move || resources.add_memory(os.as_ref())).await??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::device::Devices;
    use crate::os::Linux;
    use crate::reaper::{Reaper, Scope};
    use crate::sandbox::Paths;

    fn plug(sys: &Path, device: &str) {
        let folder = sys.join("devices/system").join(device);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("online"), "0\n").unwrap();
    }

    fn is_on(sys: &Path, device: &str) -> bool {
        fs::read_to_string(sys.join("devices/system").join(device).join("online")).unwrap() == "1"
    }

    fn guest(sys: &Path) -> Arc<Agent> {
        fs::create_dir_all(sys.join("devices/system/cpu/cpu0")).unwrap();
        let devices = Devices::at(Arc::new(Linux), sys, sys, Duration::from_secs(60));
        let reaper = Arc::new(Reaper::new(Scope::OwnChildren));
        let agent = Agent::new(Arc::new(Linux), reaper, Paths::default());
        Arc::new(agent.with_devices(Arc::new(devices)))
    }

    fn request(wait: bool, nb_cpus: u32, cpu_only: bool) -> OnlineCPUMemRequest {
        OnlineCPUMemRequest { wait, nb_cpus, cpu_only, ..OnlineCPUMemRequest::default() }
    }

    #[tokio::test]
    async fn memory_only_where_it_is_wanted() {
        let sys = tempfile::tempdir().unwrap();
        let agent = guest(sys.path());
        plug(sys.path(), "cpu/cpu1");
        plug(sys.path(), "memory/memory8");
        call(&agent, request(true, 1, true)).await.unwrap();
        assert!(is_on(sys.path(), "cpu/cpu1") && !is_on(sys.path(), "memory/memory8"));
        call(&agent, request(true, 0, false)).await.unwrap();
        assert!(is_on(sys.path(), "memory/memory8"));
    }

    #[tokio::test]
    async fn who_does_not_wait_is_answered_before_the_processor_is_there() {
        let sys = tempfile::tempdir().unwrap();
        let agent = guest(sys.path());
        let mut processors = agent.resources.processors();
        call(&agent, request(false, 1, false)).await.unwrap();
        plug(sys.path(), "cpu/cpu1");
        let come = processors.wait_for(|online| online.contains(&1));
        tokio::time::timeout(Duration::from_secs(60), come).await.unwrap().unwrap();
        assert!(is_on(sys.path(), "cpu/cpu1"));
    }
}
