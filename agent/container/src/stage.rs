//! The new process's side: this program, executed again within the container's first
//! namespaces, makes the rest of the container around itself and becomes its program.
//! It has one thread, so unlike its starter it may do anything.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, FcntlArg, FdFlag, OFlag, fcntl, openat};
use nix::sys::stat::Mode;
use oci_spec::runtime::{ContainerState, Hook, Linux, LinuxNamespaceType};

use crate::confine::Root;
use crate::error::{During, Error, chain};
use crate::identity::{self, Become};
use crate::os::{self, Os};
use crate::protocol::{self, FromStage, Received, SOCKET, Setup, TARGET, ToStage};
use crate::spec::has;
use crate::{hooks, namespaces, program, rootfs, sysctl, terminal, user};

/// The argument by which the program knows that it is to become a container's.
pub(crate) const ARGUMENT: &str = "init";

/// To be called first thing in `main`, before anything is opened or started: when this
/// process was started to become a container's, it does so and never returns, or
/// returns the code with which the process is to end at once.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.len() != 2 || arguments.nth(1).is_none_or(|first| first != ARGUMENT) {
        return None;
    }
    // SAFETY: F_GETFD only looks whether there is such a descriptor.
    if unsafe { libc::fcntl(SOCKET, libc::F_GETFD) } < 0 {
        // The machine's first process gets every word that its kernel does not know.
        if std::process::id() == 1 {
            return None;
        }
        eprintln!("{ARGUMENT} is not for people: the agent starts itself so");
        return Some(ExitCode::from(2));
    }
    // SAFETY: the starter has put the socket there, and nobody else knows of it yet.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(SOCKET) });
    let error = match become_program(&socket) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // When the starter has gone too, there is nobody to tell.
    let _ = protocol::send(&socket, &FromStage::Failed(chain(&error)));
    Some(ExitCode::FAILURE)
}

/// The talk with the starter.
struct Talk<'a> {
    socket: &'a UnixStream,
}

impl Talk<'_> {
    fn tell(&self, message: &FromStage) -> Result<(), Error> {
        protocol::send(self.socket, message).during(|| "can't talk to the agent")
    }

    fn at(&self, step: impl Into<String>) -> Result<(), Error> {
        self.tell(&FromStage::At(step.into(), 0))
    }

    fn hear(&self) -> Result<ToStage, Error> {
        match protocol::receive(self.socket, None).during(|| "can't hear the agent")? {
            Received::Message(message) => Ok(message),
            _ => Err(Error::Stage("the agent has closed its end".to_owned())),
        }
    }

    /// Asks, and waits until it is done.
    fn ask(&self, message: &FromStage) -> Result<(), Error> {
        self.tell(message)?;
        match self.hear()? {
            ToStage::Go => Ok(()),
            _ => Err(Error::Stage("the agent answers something else".to_owned())),
        }
    }
}

fn become_program(socket: &UnixStream) -> Result<std::convert::Infallible, Error> {
    let talk = Talk { socket };
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).during(|| "can't mark the socket")?;
    let ToStage::Setup(setup) = talk.hear()? else {
        return Err(Error::Stage("the agent sends no set-up".to_owned()));
    };
    let linux = setup.spec.linux().as_ref();
    let linux = linux.ok_or_else(|| Error::Stage("the spec has no linux".to_owned()))?;
    let os = os::Linux;
    // From here on it may be seen by the container's processes.
    os.shut().during(|| "can't shut this process off")?;
    os.umask(0);
    // Found now: later /proc is the container's, if it has one at all.
    let labels = openat(
        AT_FDCWD,
        "/proc/self/attr",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .ok();
    nix::unistd::setsid().during(|| "can't begin a session")?;
    if let Some(join) = &setup.joins {
        talk.at("joining the container")?;
        // SAFETY: the starter has put the pidfd there when it says so.
        let target = unsafe { OwnedFd::from_raw_fd(TARGET) };
        let flags = nix::sched::CloneFlags::from_bits_retain(join.namespaces);
        nix::sched::setns(&target, flags).during(|| "can't join the container's namespaces")?;
        if join.namespaces & libc::CLONE_NEWUSER != 0 {
            namespaces::become_root(&os)?;
        }
        join_keyring(&os, &setup);
    } else {
        make_container(&talk, &os, &setup, linux)?;
    }
    run_program(&talk, &os, &setup, linux, labels.as_ref())
}

/// Keys of the agent are none of the container's. The keyring is found again by its name
/// only if it may be searched: by its owner, or in a user namespace by others too. A
/// kernel without keys has none.
fn join_keyring(os: &dyn Os, setup: &Setup) {
    let mapped =
        setup.spec.linux().as_ref().is_some_and(|linux| has(linux, LinuxNamespaceType::User));
    let searchable = if mapped { 0x8 } else { 0x8_0000 };
    if let Err(error) = os.session_keyring(&format!("_ses.{}", setup.id), searchable) {
        log::debug!("no keyring of its own: {error}");
    }
}

fn make_container(talk: &Talk<'_>, os: &dyn Os, setup: &Setup, linux: &Linux) -> Result<(), Error> {
    talk.at("namespaces")?;
    namespaces::enter(os, linux)?;
    join_keyring(os, setup);
    let mut at = |step: String| talk.at(step);
    let root =
        rootfs::prepare(&setup.spec, linux, &setup.rootfs, &setup.bundle, &setup.cgroup, &mut at)?;
    if setup.runtime_hooks {
        talk.ask(&FromStage::Namespaces)?;
    }
    if let Some(hooks) = setup.spec.hooks().as_ref().and_then(|all| all.create_container().as_ref())
    {
        // There they can see and change what it will be.
        nix::unistd::fchdir(root.as_fd()).during(|| "can't go to the root filesystem")?;
        run_hooks(talk, "createContainer", hooks, setup, ContainerState::Creating)?;
    }
    // After the hooks: they may have made the network whose parameters are set.
    talk.at("names and kernel parameters")?;
    present(os, setup, linux)?;
    talk.at("entering the root filesystem")?;
    rootfs::enter(&root)?;
    drop(root);
    talk.at("finishing the root filesystem")?;
    rootfs::finish(&setup.spec, linux)
}

/// How the container presents itself, and its kernel parameters.
fn present(os: &dyn Os, setup: &Setup, linux: &Linux) -> Result<(), Error> {
    name_machine(os, setup)?;
    // By the guest's /proc: the container's may be read-only, or missing.
    let mut parameters: Vec<_> = linux.sysctl().iter().flatten().collect();
    parameters.sort();
    for (name, value) in parameters {
        let file = Path::new("/proc/sys").join(sysctl::file(name));
        os.write(&file, value)
            .during(|| format!("can't set the kernel parameter {name} to {value:?}"))?;
    }
    Ok(())
}

/// Sets the names of the machine. Those of a shared namespace that are so already need no
/// right to change them.
fn name_machine(os: &dyn Os, setup: &Setup) -> Result<(), Error> {
    let wanted = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let current = nix::sys::utsname::uname().during(|| "can't read the machine's names")?;
    if let Some(name) = wanted(setup.spec.hostname())
        && current.nodename() != name.as_str()
    {
        os.host_name(&name).during(|| format!("can't set the hostname {name}"))?;
    }
    if let Some(name) = wanted(setup.spec.domainname())
        && current.domainname() != name.as_str()
    {
        os.domain_name(&name).during(|| format!("can't set the domainname {name}"))?;
    }
    Ok(())
}

fn run_hooks(
    talk: &Talk<'_>,
    kind: &'static str,
    all: &[Hook],
    setup: &Setup,
    status: ContainerState,
) -> Result<(), Error> {
    let pid = nix::unistd::getpid().as_raw();
    let state = &hooks::state(&setup.id, &setup.spec, &setup.bundle, status, pid)?;
    let moment = hooks::Moment { kind, state, folder: None };
    for hook in all {
        // One without a timeout must be done within the whole set-up's.
        let without = Duration::from_secs(3600);
        let patience = hooks::patience(hook, Duration::ZERO);
        let step = format!("the {kind} hook {}", hook.path().display());
        talk.tell(&FromStage::At(step, patience.as_secs()))?;
        hooks::run_alone(&moment, hook, without)?;
    }
    Ok(())
}

/// What is the same for a container's first process and for any other.
fn run_program(
    talk: &Talk<'_>,
    os: &dyn Os,
    setup: &Setup,
    linux: &Linux,
    labels: Option<&OwnedFd>,
) -> Result<std::convert::Infallible, Error> {
    let process = &setup.process;
    let is_first = setup.joins.is_none();
    let root = Root::open_path(Path::new("/")).during(|| "can't open the container's root")?;
    let identity = user::resolve(&root, process.user())?;
    drop(root);
    if process.terminal() == Some(true) {
        talk.at("the terminal")?;
        let size = process.console_size().map(|size| terminal::Size {
            rows: u16::try_from(size.height()).unwrap_or(u16::MAX),
            columns: u16::try_from(size.width()).unwrap_or(u16::MAX),
        });
        let master = terminal::make(size).during(|| "can't make the terminal")?;
        if is_first {
            terminal::as_console().during(|| "can't show the terminal as /dev/console")?;
        }
        talk.tell(&FromStage::Terminal)?;
        protocol::send_descriptor(talk.socket, &master).during(|| "can't send the terminal")?;
    }
    if is_first {
        talk.at("masked and read-only paths")?;
        rootfs::restrict(linux)?;
    }
    talk.ask(&FromStage::Limits)?;
    talk.at("the user and its rights")?;
    for descriptor in [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()] {
        terminal::give_to(identity.uid, descriptor)
            .during(|| "can't give the program its input and output")?;
    }
    if let Some(domain) = linux.personality() {
        identity::personality(os, domain)?;
    }
    let label = |file: &str, text: &str| match labels {
        Some(folder) => write_label(folder, file, text),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let prepared = Become::new(setup, linux, &identity)?;
    prepared.take_rights(os, &label)?;
    let environment = program::environment(process, &identity.home);
    let program = program::find(process, &environment)?;
    talk.tell(&FromStage::Ready)?;
    if is_first {
        match talk.hear()? {
            ToStage::Start => {}
            _ => return Err(Error::Stage("the agent says something else".to_owned())),
        }
        if let Some(hooks) =
            setup.spec.hooks().as_ref().and_then(|all| all.start_container().as_ref())
        {
            run_hooks(talk, "startContainer", hooks, setup, ContainerState::Created)?;
            talk.tell(&FromStage::Ready)?;
        }
    }
    prepared.last_filter(os)?;
    execute(&program, process.args().as_deref().unwrap_or_default(), &environment)
}

/// Writes a label of the program to be executed; the kernel's files are by security
/// module in newer kernels.
fn write_label(folder: &OwnedFd, file: &str, text: &str) -> io::Result<()> {
    let opened = openat(folder, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    File::from(opened).write_all(text.as_bytes())
}

fn execute(
    program: &Path,
    arguments: &[String],
    environment: &[String],
) -> Result<std::convert::Infallible, Error> {
    let text = |text: &str| CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into());
    let all = |texts: &[String]| texts.iter().map(|one| text(one)).collect::<io::Result<Vec<_>>>();
    let what = || format!("can't execute {}", program.display());
    let path = text(&program.to_string_lossy()).during(what)?;
    let (arguments, environment) = (all(arguments).during(what)?, all(environment).during(what)?);
    // Rust ignores it in every program, and what is ignored stays so.
    // SAFETY: no handler is set, but the default restored.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    nix::unistd::execve(&path, &arguments, &environment).during(what)
}
