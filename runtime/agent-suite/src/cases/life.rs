//! Making, starting, waiting, removing.

use kata_agent_api::agent::{RemoveContainerRequest, StartContainerRequest, WaitProcessRequest};
use serde_json::json;
use ttrpc::Code;

use crate::container::Wanted;
use crate::guest::Guest;
use crate::trouble::{Trouble, contains, equal, refused};

pub(super) async fn output_and_exit_code(guest: &Guest) -> Result<(), Trouble> {
    let wanted = Wanted::script("life-output", "echo out; echo err >&2; exit 7");
    let container = wanted.start(guest).await?;
    let ended = container.first().ended().await?;
    equal(
        "the end",
        &(ended.code, ended.out.as_str(), ended.err.as_str()),
        &(7, "out\n", "err\n"),
    )?;
    // Whoever asks later is told too.
    equal("the exit code", &container.first().wait().await?, &7)?;
    container.remove().await
}

pub(super) async fn created_but_never_started(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::script("life-created", "echo no").create(guest).await?;
    container.remove().await?;
    // Its name is free again.
    let ended = Wanted::script("life-created", "echo yes").run(guest).await?;
    equal("the output", &ended.out.as_str(), &"yes\n")
}

pub(super) async fn what_is_not_there_is_named(guest: &Guest) -> Result<(), Trouble> {
    let id = || "life-nobody".to_owned();
    let request = StartContainerRequest { container_id: id(), ..Default::default() };
    let answer = guest.rpc.start_container(guest.soon(), &request).await;
    refused("StartContainer", answer, Code::NOT_FOUND, "life-nobody")?;
    let request = RemoveContainerRequest { container_id: id(), ..Default::default() };
    let answer = guest.rpc.remove_container(guest.soon(), &request).await;
    refused("RemoveContainer", answer, Code::NOT_FOUND, "life-nobody")?;
    let request = WaitProcessRequest { container_id: id(), ..Default::default() };
    let answer = guest.rpc.wait_process(guest.soon(), &request).await;
    refused("WaitProcess", answer, Code::NOT_FOUND, "life-nobody")?;

    let missing = Wanted::program("life-missing", &["no-such-program"]);
    let answer = missing.ask(guest).await;
    refused("CreateContainer", answer, Code::INTERNAL, "no-such-program")?;
    let rootless = Wanted::script("life-missing", "true").with("/root/path", json!("/run/none"));
    let answer = rootless.ask(guest).await;
    refused("CreateContainer", answer, Code::INTERNAL, "/run/none")?;
    // Nothing of them is left.
    let ended = Wanted::script("life-missing", "exit 3").run(guest).await?;
    equal("the exit code", &ended.code, &3)
}

pub(super) async fn ids_are_names_and_taken_once(guest: &Guest) -> Result<(), Trouble> {
    for id in ["", ".", "..", "../x", "a/b", "/etc", "a b", "shared", "sandbox", &"x".repeat(300)] {
        let answer = Wanted::script(id, "true").ask(guest).await;
        refused(&format!("the id {id:?}"), answer, Code::INVALID_ARGUMENT, "can't be")?;
    }
    let wanted = Wanted::script("life-twice", "sleep 1000");
    let container = wanted.start(guest).await?;
    let answer = wanted.ask(guest).await;
    refused("a second one", answer, Code::ALREADY_EXISTS, "life-twice")?;
    let answer = guest
        .rpc
        .start_container(
            guest.soon(),
            &StartContainerRequest { container_id: container.id.clone(), ..Default::default() },
        )
        .await;
    refused("a second start", answer, Code::FAILED_PRECONDITION, "running")?;
    let ended = {
        let first = container.first();
        first.signal(9).await?;
        first.ended().await?
    };
    equal("the exit code", &ended.code, &137)?;
    contains("the id", &container.id, "life-twice")?;
    container.remove().await
}
