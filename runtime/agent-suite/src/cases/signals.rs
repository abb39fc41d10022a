//! Signals, and exit codes of those that end by them.

use kata_agent_api::agent::SignalProcessRequest;
use ttrpc::Code;

use crate::container::Wanted;
use crate::guest::Guest;
use crate::trouble::{Trouble, equal, refused};

pub(super) async fn ends_by_signals(guest: &Guest) -> Result<(), Trouble> {
    // Process 1 has no handler: only SIGKILL ends it, and that is what is sent.
    let container = Wanted::program("signals-deaf", &["sleep", "1000"]).start(guest).await?;
    container.first().signal(15).await?;
    equal("the deaf one", &container.first().wait().await?, &137)?;
    container.remove().await?;
    let script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done";
    let container = Wanted::script("signals-heard", script).start(guest).await?;
    let first = container.first();
    first.read_until("ready").await?;
    first.signal(15).await?;
    let ended = first.ended().await?;
    equal("the one that hears", &(ended.code, ended.out.as_str()), &(5, "bye\n"))?;
    container.remove().await
}

pub(super) async fn all_processes(guest: &Guest) -> Result<(), Trouble> {
    let container =
        Wanted::script("signals-all", "sleep 1000 & sleep 1000 & sleep 1000").start(guest).await?;
    let beside = container.exec("beside", "echo here; exec sleep 1000").await?;
    beside.read_until("here").await?;
    container.signal_all(9).await?;
    equal("the first", &container.first().wait().await?, &137)?;
    equal("the other", &beside.wait().await?, &137)?;
    container.remove().await
}

pub(super) async fn the_dead_take_any(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::script("signals-dead", "exit 0").start(guest).await?;
    equal("the exit code", &container.first().wait().await?, &0)?;
    container.first().signal(9).await?;
    container.signal_all(15).await?;
    let request = SignalProcessRequest {
        container_id: container.id.clone(),
        exec_id: container.id.clone(),
        signal: 4096,
        ..Default::default()
    };
    let answer = guest.rpc.signal_process(guest.soon(), &request).await;
    refused("no signal", answer, Code::INVALID_ARGUMENT, "4096")?;
    container.remove().await
}
