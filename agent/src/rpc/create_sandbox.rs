//! `CreateSandbox`: sets up what all containers of the guest will share. Either all
//! of it is there afterwards, or none.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kata_agent_api::agent::{CreateSandboxRequest, KernelModule};
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::os::{Mount, Namespace};
use crate::plain_path::is_plain_name;
use crate::sandbox::{Pause, PidNamespace, Sandbox, hooks};
use crate::server::Agent;

/// Longest host name that Linux takes.
const LONGEST_HOSTNAME: usize = 64;
const MODPROBE: [&str; 2] = ["/sbin/modprobe", "/usr/sbin/modprobe"];
const MODPROBE_DEADLINE: Duration = Duration::from_secs(60);

pub(super) async fn call(agent: &Agent, request: CreateSandboxRequest) -> Result<Empty, Fault> {
    let mut slot = agent.sandbox.lock().await;
    if let Some(sandbox) = slot.as_ref() {
        return Err(Fault::AlreadyExists(format!("there is the sandbox {:?} already", sandbox.id)));
    }
    validate(&request)?;
    for module in &request.kernel_modules {
        load(agent, module).await?;
    }
    let os = agent.os.as_ref();
    let mut sandbox = Sandbox { id: request.sandbox_id.clone(), ..Sandbox::default() };
    if let Err(fault) = set_up(agent, &request, &mut sandbox).await {
        sandbox.unmount_all(os);
        return Err(fault);
    }
    if !request.guest_hook_path.is_empty() {
        sandbox.hooks = hooks::scan(Path::new(&request.guest_hook_path));
    }
    log::info!(id = sandbox.id; "sandbox created");
    *slot = Some(sandbox);
    Ok(Empty::new())
}

fn validate(request: &CreateSandboxRequest) -> Result<(), Fault> {
    let invalid = |what: String| Err(Fault::InvalidArgument(what));
    if request.hostname.len() > LONGEST_HOSTNAME {
        return invalid(format!("the host name is longer than {LONGEST_HOSTNAME} bytes"));
    }
    let id = &request.sandbox_id;
    if !id.is_empty() && !is_plain_name(id) {
        return invalid(format!("{id:?} can't be the name of a sandbox"));
    }
    if let Some(line) = request.dns.iter().find(|line| line.contains('\n')) {
        return invalid(format!("{line:?} is not one line of resolv.conf"));
    }
    for module in &request.kernel_modules {
        // modprobe takes options and paths where a name is due.
        let name = module.name.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return invalid(format!("{name:?} is not the name of a kernel module"));
        }
        if let Some(odd) = module.parameters.iter().find(|parameter| parameter.starts_with('-')) {
            return invalid(format!("{odd:?} is not a parameter of a kernel module"));
        }
    }
    Ok(())
}

async fn set_up(
    agent: &Agent,
    request: &CreateSandboxRequest,
    sandbox: &mut Sandbox,
) -> Result<(), Fault> {
    let (os, paths) = (agent.os.as_ref(), &agent.paths);
    for folder in [paths.run.clone(), paths.sandbox(), paths.shared_containers()] {
        let what = format!("can't make {}", folder.display());
        os.make_dir(&folder, 0o755).map_err(Fault::internal(what))?;
    }
    if !request.hostname.is_empty() {
        os.set_hostname(&request.hostname)
            .map_err(Fault::internal(format!("can't set the host name {}", request.hostname)))?;
    }
    for kind in [Namespace::Ipc, Namespace::Uts] {
        let place = paths.namespace(kind);
        let what = format!("can't make the sandbox's {} namespace", kind.name());
        os.make_namespace(kind, &place, &request.hostname).map_err(Fault::internal(what))?;
        sandbox.mounts.push(place);
    }
    if request.sandbox_pidns {
        let started = Pause::start(&agent.reaper);
        let (pause, namespace) =
            started.map_err(Fault::internal("can't make the sandbox's pid namespace"))?;
        sandbox.pid_namespace = Some(PidNamespace { file: namespace, container: None });
        sandbox.pause = Some(pause);
    }
    sandbox.storages.add_all(&agent.tools(), &request.storages, None).await?;
    if !request.dns.is_empty() {
        let file = paths.sandbox().join("resolv.conf");
        let text: String = request.dns.iter().map(|line| format!("{line}\n")).collect();
        os.write(&file, text.as_bytes())
            .map_err(Fault::internal(format!("can't write {}", file.display())))?;
        let source = file.display().to_string();
        let target = paths.resolv_conf.as_path();
        os.mount(&Mount { source: &source, target, fstype: "", options: "bind" })
            .map_err(Fault::internal(format!("can't bind {source} to {}", target.display())))?;
        sandbox.mounts.push(target.to_owned());
    }
    Ok(())
}

async fn load(agent: &Agent, module: &KernelModule) -> Result<(), Fault> {
    let program = MODPROBE.iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        Fault::FailedPrecondition("there is no modprobe in the guest image".to_owned())
    })?;
    let mut command = Command::new(program);
    command.arg("-v").arg(&module.name).args(&module.parameters);
    let finished = agent
        .reaper
        .run(&mut command, MODPROBE_DEADLINE)
        .await
        .map_err(Fault::internal(format!("can't run {program}")))?;
    if finished.exit.code != 0 {
        return Err(Fault::FailedPrecondition(format!(
            "the kernel module {} can't be loaded: {}",
            module.name,
            finished.stderr.trim()
        )));
    }
    Ok(())
}
