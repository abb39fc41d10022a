//! `CreateContainer`: makes a container whose program waits for `StartContainer`.
//! Either all of it is there afterwards, or none.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use guest_container::{Container, Stdio};
use kata_agent_api::agent::CreateContainerRequest;
use kata_agent_api::spec;
use oci_spec::runtime::Spec;
use protobuf::well_known_types::empty::Empty;

use super::container::to_the_end;
use super::{Fault, in_background, path, string_user};
use crate::container::bundle::{self, Bundle, RESERVED};
use crate::container::prepare::{self, Shared};
use crate::container::{Record, Running, find_devices};
use crate::os::Namespace;
use crate::plain_path::is_plain_name;
use crate::process::Ports;
use crate::sandbox::{PidNamespace, Sandbox};
use crate::server::Agent;

pub(super) async fn call(
    agent: &Arc<Agent>,
    request: CreateContainerRequest,
) -> Result<Empty, Fault> {
    let agent = Arc::clone(agent);
    to_the_end("make the container", async move { create(&agent, request).await }).await?;
    Ok(Empty::new())
}

async fn create(agent: &Arc<Agent>, request: CreateContainerRequest) -> Result<(), Fault> {
    let id = request.container_id.clone();
    let known = || Fault::AlreadyExists(format!("there is a container {id:?} already"));
    check_name(&id)?;
    if let Some(mount) = request.shared_mounts.first() {
        let text =
            format!("mounts of another container, such as {:?}, can't be shared", mount.name);
        return Err(Fault::Unimplemented(text));
    }
    let place = agent.containers.reserve(&id).ok_or_else(known)?;
    let wire = request.OCI.as_ref();
    let wire = wire.ok_or_else(|| Fault::InvalidArgument("the request has no OCI".to_owned()))?;
    // Of the guest, while all other paths are the container's.
    let root = wire.Root.as_ref().map_or("", |root| root.Path.as_str());
    path::plain("OCI.Root.Path", root)?;
    let mut spec = spec::spec(wire)?;
    string_user::apply(spec.process_mut().as_mut(), request.string_user.as_ref());
    let found = find_devices(&agent.devices, &request.devices).await?;
    prepare::devices(&mut spec, &found.given)?;
    prepare::addresses(&mut spec, &found.addresses);
    let storages = add_storages(agent, &request).await?;
    let mut record = match with_storages(agent, &request, spec, &storages).await {
        Ok(record) => record,
        Err(fault) => {
            drop_storages(agent, &storages).await;
            bundle::remove(agent.os.as_ref(), &agent.paths.container(&id));
            return Err(fault);
        }
    };
    record.storages = storages;
    log::info!(id = id; "container created");
    place.fill(Arc::new(record));
    Ok(())
}

/// A container's name is a folder's beside the agent's own.
fn check_name(id: &str) -> Result<(), Fault> {
    guest_container::check_id(id)?;
    if !is_plain_name(id) || RESERVED.contains(&id) {
        return Err(Fault::InvalidArgument(format!("{id:?} can't be the name of a container")));
    }
    Ok(())
}

fn no_sandbox() -> Fault {
    Fault::FailedPrecondition("there is no sandbox that the container could be in".to_owned())
}

async fn add_storages(
    agent: &Agent,
    request: &CreateContainerRequest,
) -> Result<Vec<PathBuf>, Fault> {
    let mut slot = agent.sandbox.lock().await;
    let sandbox = slot.as_mut().ok_or_else(no_sandbox)?;
    let id = Some(request.container_id.as_str());
    Ok(sandbox.storages.add_all(&agent.tools(), &request.storages, id).await?)
}

async fn drop_storages(agent: &Agent, storages: &[PathBuf]) {
    if let Some(sandbox) = agent.sandbox.lock().await.as_mut() {
        sandbox.storages.drop_all(agent.os.as_ref(), storages);
    }
}

/// What is done once the storages are there.
async fn with_storages(
    agent: &Arc<Agent>,
    request: &CreateContainerRequest,
    mut spec: Spec,
    storages: &[PathBuf],
) -> Result<Record, Fault> {
    {
        let slot = agent.sandbox.lock().await;
        let sandbox = slot.as_ref().ok_or_else(no_sandbox)?;
        let shared = shared(agent, sandbox, request.sandbox_pidns);
        let pid = shared.pid.clone();
        let (ipc, uts) = (&shared.ipc, &shared.uts);
        prepare::namespaces(&mut spec, &Shared { ipc: Some(ipc), uts: Some(uts), pid });
        prepare::hooks(&mut spec, &sandbox.hooks);
    }
    let (os, id) = (agent.os.as_ref(), &request.container_id);
    let made = bundle::make(os, &agent.paths, id, &mut spec, storages);
    let bundle = made.map_err(|(what, error)| Fault::internal(what)(error))?;
    match with_bundle(agent, request, spec, &bundle).await {
        Ok(record) => Ok(record),
        Err(fault) => {
            bundle::unbind(os, &bundle);
            Err(fault)
        }
    }
}

/// Paths of the namespaces that the sandbox's containers share.
struct Paths {
    ipc: PathBuf,
    uts: PathBuf,
    pid: Option<PathBuf>,
}

fn shared(agent: &Agent, sandbox: &Sandbox, pid: bool) -> Paths {
    let pid = match (&sandbox.pid_namespace, pid) {
        // By the descriptor: the process that it was opened by may be gone.
        (Some(kept), true) if is_alive(agent, kept) => {
            Some(format!("/proc/self/fd/{}", kept.file.as_raw_fd()).into())
        }
        // A new one, which those that come later share.
        _ => None,
    };
    let path = |kind| agent.paths.namespace(kind);
    Paths { ipc: path(Namespace::Ipc), uts: path(Namespace::Uts), pid }
}

/// Nobody can enter a pid namespace whose first process has ended.
fn is_alive(agent: &Agent, kept: &PidNamespace) -> bool {
    let Some(owner) = &kept.container else { return true };
    let owner = agent.containers.get(owner);
    owner.is_some_and(|owner| owner.first.ending.code().is_none())
}

async fn with_bundle(
    agent: &Arc<Agent>,
    request: &CreateContainerRequest,
    spec: Spec,
    bundle: &Bundle,
) -> Result<Record, Fault> {
    let (id, folder) = (request.container_id.clone(), bundle.folder.clone());
    let (options, stdio) = (agent.options.clone(), Stdio::Pipes(agent.pipe_size));
    let work = move || Container::create(&id, spec, &folder, stdio, &options);
    let mut container = in_background("make the container", work).await??;
    let ports = Ports {
        stdin: request.stdin_port,
        stdout: request.stdout_port,
        stderr: request.stderr_port,
    };
    let running = Running::new(container.first_mut(), &agent.handover, ports).await;
    let kept = match running {
        Ok(running) => keep_namespace(agent, &container).await.map(|()| running),
        Err(error) => Err(Fault::internal("can't connect the container's streams")(error)),
    };
    match kept {
        Ok(running) => {
            let mut record = Record::new(container, running, request.exec_id.clone());
            record.root_is_bound = bundle.root_is_bound;
            Ok(record)
        }
        Err(fault) => {
            let deleted = in_background("delete the container", move || container.delete()).await?;
            if let Err(error) = deleted {
                log::warn!("{}", Fault::from(error));
            }
            Err(fault)
        }
    }
}

/// The first container's pid namespace is what later ones may share, as long as it lives.
async fn keep_namespace(agent: &Agent, container: &Container) -> Result<(), Fault> {
    let mut slot = agent.sandbox.lock().await;
    let sandbox = slot.as_mut().ok_or_else(no_sandbox)?;
    if !sandbox.pid_namespace.as_ref().is_some_and(|kept| is_alive(agent, kept)) {
        let path = format!("/proc/{}/ns/pid", container.first().pid());
        let file = std::fs::File::open(&path);
        let file = file.map_err(Fault::internal(format!("can't open {path}")))?;
        let container = Some(container.id().to_owned());
        sandbox.pid_namespace = Some(PidNamespace { file, container });
    }
    Ok(())
}
