//! `ExecProcess`: runs one more program in a container.

use std::sync::Arc;

use guest_container::Stdio;
use kata_agent_api::agent::ExecProcessRequest;
use kata_agent_api::spec;
use protobuf::well_known_types::empty::Empty;

use super::container::{find, to_the_end};
use super::{Fault, in_background, string_user};
use crate::container::{Exec, Record, Running};
use crate::process::Ports;
use crate::server::Agent;

pub(super) async fn call(agent: &Arc<Agent>, request: ExecProcessRequest) -> Result<Empty, Fault> {
    let record = find(agent, &request.container_id)?;
    let name = request.exec_id.clone();
    guest_container::check_id(&name)?;
    if !record.reserve(&name) {
        let id = record.container.id();
        let text = format!("the container {id:?} has a process {name:?} already");
        return Err(Fault::AlreadyExists(text));
    }
    let agent = Arc::clone(agent);
    to_the_end("run the program", async move {
        let made = run(&agent, &record, &request).await;
        let (exec, outcome) = match made {
            Ok(exec) => (Some(exec), Ok(())),
            Err(fault) => (None, Err(fault)),
        };
        record.settle(&name, exec);
        outcome
    })
    .await?;
    Ok(Empty::new())
}

async fn run(
    agent: &Agent,
    record: &Arc<Record>,
    request: &ExecProcessRequest,
) -> Result<Exec, Fault> {
    let process = request.process.as_ref();
    let process =
        process.ok_or_else(|| Fault::InvalidArgument("the request has no process".to_owned()))?;
    let mut process = spec::process(process)?;
    string_user::apply(Some(&mut process), request.string_user.as_ref());
    let (stdio, within) = (Stdio::Pipes(agent.pipe_size), Arc::clone(record));
    let work = move || within.container.exec(&process, stdio);
    let mut process = in_background("run the program", work).await??;
    let ports = Ports {
        stdin: request.stdin_port,
        stdout: request.stdout_port,
        stderr: request.stderr_port,
    };
    match Running::new(&mut process, &agent.handover, ports).await {
        Ok(running) => Ok(Exec::new(process, running)),
        Err(error) => {
            if let Err(error) = process.signal(nix::libc::SIGKILL) {
                log::warn!("{error}");
            }
            Err(Fault::internal("can't connect the process's streams")(error))
        }
    }
}
