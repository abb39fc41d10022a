//! Limits: given at the start, changed later, counted, and what happens beyond them.

use kata_agent_api::agent::{
    GetOOMEventRequest, PauseContainerRequest, ResumeContainerRequest, StatsContainerRequest,
    StatsContainerResponse, UpdateContainerRequest,
};
use kata_agent_api::spec;
use oci_spec::runtime::LinuxResources;
use protobuf::MessageField;
use serde_json::{Value, json};
use ttrpc::Code;

use crate::container::{Container, Wanted, shell};
use crate::guest::Guest;
use crate::trouble::{Trouble, call, contains, equal, holds, refused};

/// What the container sees of its own limits.
const FILES: &str = "cd /sys/fs/cgroup; for file in memory.max memory.low memory.swap.max \
    pids.max cpu.max cpu.weight cpuset.cpus; do echo $file $(cat $file); done";

fn limits() -> Value {
    json!({
        "devices": [{"allow": false, "access": "rwm"}],
        "memory": {"limit": 64 << 20, "reservation": 16 << 20, "swap": 64 << 20},
        "pids": {"limit": 40},
        "cpu": {"shares": 2048, "quota": 50000, "period": 100_000, "cpus": "0"},
    })
}

async fn update(guest: &Guest, container: &Container<'_>, limits: Value) -> ttrpc::Result<()> {
    let resources: LinuxResources = serde_json::from_value(limits)
        .map_err(|error| ttrpc::Error::Others(format!("the case's limits are none: {error}")))?;
    let request = UpdateContainerRequest {
        container_id: container.id.clone(),
        resources: MessageField::some(spec::resources_to_wire(&resources)),
        ..Default::default()
    };
    guest.rpc.update_container(guest.soon(), &request).await.map(drop)
}

async fn stats(
    guest: &Guest,
    container: &Container<'_>,
) -> Result<StatsContainerResponse, Trouble> {
    let request =
        StatsContainerRequest { container_id: container.id.clone(), ..Default::default() };
    let answer = guest.rpc.stats_container(guest.soon(), &request).await;
    answer.map_err(call("StatsContainer"))
}

pub(super) async fn given_and_changed(guest: &Guest) -> Result<(), Trouble> {
    let wanted = Wanted::script("limits-given", "sleep 1000").with("/linux/resources", limits());
    let container = wanted.start(guest).await?;
    let seen = container.output("see", FILES).await?;
    let expected = "memory.max 67108864\nmemory.low 16777216\nmemory.swap.max 0\npids.max 40\n\
                    cpu.max 50000 100000\ncpu.weight 79\ncpuset.cpus 0";
    equal("its limits", &seen.as_str(), &expected)?;
    let more = json!({"memory": {"limit": 80 << 20, "swap": 80 << 20}, "pids": {"limit": 50},
                      "cpu": {"quota": 70000, "period": 100_000}});
    update(guest, &container, more).await.map_err(call("UpdateContainer"))?;
    let seen = container.output("see", FILES).await?;
    for line in ["memory.max 83886080", "pids.max 50", "cpu.max 70000 100000", "cpu.weight 79"] {
        contains("its new limits", &seen, line)?;
    }
    let bad = json!({"memory": {"limit": -5}});
    let answer = update(guest, &container, bad).await;
    refused("a negative limit", answer, Code::INVALID_ARGUMENT, "memory")?;
    container.remove().await
}

pub(super) async fn counted(guest: &Guest) -> Result<(), Trouble> {
    let script = "dd if=/dev/zero of=/tmp/suite-counted bs=64k count=64 2>/dev/null; \
                  i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo done; sleep 1000";
    let wanted = Wanted::script("limits-counted", script).with("/linux/resources", limits());
    let container = wanted.start(guest).await?;
    container.first().read_until("done").await?;
    let stats = stats(guest, &container).await?;
    let cgroup = &stats.cgroup_stats;
    let cpu = &cgroup.cpu_stats.cpu_usage;
    holds(cpu.total_usage > 1_000_000, format!("it has used {} ns", cpu.total_usage))?;
    holds(
        cpu.usage_in_usermode > 0 && cpu.usage_in_kernelmode > 0,
        format!(
            "in user mode {}, in the kernel {}",
            cpu.usage_in_usermode, cpu.usage_in_kernelmode
        ),
    )?;
    holds(cgroup.cpu_stats.throttling_data.periods > 0, "it was never throttled")?;
    let memory = &cgroup.memory_stats;
    holds(memory.usage.usage > 0 && memory.cache > 0, format!("its memory: {memory:?}"))?;
    equal("its limit", &memory.usage.limit, &(64 << 20))?;
    holds(memory.stats.contains_key("anon"), "memory.stat is not there")?;
    let pids = &cgroup.pids_stats;
    holds(pids.current > 0 && pids.limit == 40, format!("its processes: {pids:?}"))?;
    container.output("clean", "rm /tmp/suite-counted").await?;
    container.remove().await
}

pub(super) async fn standing_still(guest: &Guest) -> Result<(), Trouble> {
    let script = "i=0; while :; do i=$((i+1)); echo $i > /tmp/suite-count; done";
    let container = Wanted::script("limits-paused", script).start(guest).await?;
    let id = || container.id.clone();
    let pause = PauseContainerRequest { container_id: id(), ..Default::default() };
    let resume = ResumeContainerRequest { container_id: id(), ..Default::default() };
    let answer = guest.rpc.resume_container(guest.soon(), &resume).await;
    refused("what runs goes on", answer, Code::FAILED_PRECONDITION, "running")?;
    guest.rpc.pause_container(guest.soon(), &pause).await.map_err(call("PauseContainer"))?;
    let before = stats(guest, &container).await?.cgroup_stats.cpu_stats.cpu_usage.total_usage;
    let answer = container.ask_exec("late", shell("true")).await.map(drop);
    refused("a program in it", answer, Code::FAILED_PRECONDITION, "paused")?;
    let after = stats(guest, &container).await?.cgroup_stats.cpu_stats.cpu_usage.total_usage;
    equal("the time that it used standing still", &after, &before)?;
    guest.rpc.resume_container(guest.soon(), &resume).await.map_err(call("ResumeContainer"))?;
    let count = "cat /tmp/suite-count";
    let seen = container.output("count", count).await?;
    // It goes on when the number changes; the case's deadline ends this.
    while container.output("again", count).await? == seen {}
    // What stands still can be killed too.
    guest.rpc.pause_container(guest.soon(), &pause).await.map_err(call("PauseContainer"))?;
    container.signal_all(9).await?;
    equal("the exit code", &container.first().wait().await?, &137)?;
    container.remove().await
}

pub(super) async fn out_of_memory(guest: &Guest) -> Result<(), Trouble> {
    // A hog in a small container: its end is told, and the agent lives.
    let wanted = Wanted::script("limits-hog", "tail /dev/zero")
        .with("/linux/resources", json!({"memory": {"limit": 16 << 20, "swap": 16 << 20}}));
    let container = wanted.create(guest).await?;
    let request = GetOOMEventRequest::default();
    let told = guest.rpc.get_oom_event(guest.soon(), &request);
    let (started, told) = tokio::join!(container.start(), told);
    started?;
    equal("who ran out", &told.map_err(call("GetOOMEvent"))?.container_id, &container.id)?;
    let code = container.first().wait().await?;
    holds(code == 137 || code == 1, format!("the hog ended with {code}"))?;
    container.remove().await
}

pub(super) async fn fork_bombs(guest: &Guest) -> Result<(), Trouble> {
    let script = "bomb() { bomb | bomb & }; bomb; sleep 1000";
    let wanted = Wanted::script("limits-bomb", script)
        .with("/linux/resources", json!({"pids": {"limit": 30}}));
    let container = wanted.start(guest).await?;
    // Others are not disturbed.
    let ended = Wanted::script("limits-beside", "echo fine").run(guest).await?;
    equal("the one beside it", &ended.out.as_str(), &"fine\n")?;
    container.signal_all(9).await?;
    container.first().wait().await?;
    container.remove().await
}
