//! The life of the agent from its first instruction to its last: arguments, init
//! or service, the server, and the end. Knows no single RPC.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kata_agent_api::API_VERSION;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Sources};
use crate::device::Devices;
use crate::mem_agent::MemAgent;
use crate::os::{Linux, Os};
use crate::policy::Policy;
use crate::reaper::{Reaper, Scope};
use crate::sandbox::Paths;
use crate::server::{Agent, Server, ServerError};
use crate::trace::{Moment, Tracer};
use crate::{VERSION, console, extension, init, logger, panic, uevent};

const USAGE: &str = "usage: kata-agent [--version] [--help] [-c|--config FILE]";

/// How long a host gets to take the last answer before the machine stops.
const LAST_ANSWER: Duration = Duration::from_millis(20);

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Be the agent.
    Run {
        /// TOML file named on the command line.
        config_file: Option<PathBuf>,
    },
    /// Print a text and end.
    Print(String),
}

impl Arguments {
    /// Reads the arguments (without the program's name). The kernel hands process 1
    /// every parameter it does not know, so there nothing is an error.
    ///
    /// # Errors
    ///
    /// One sentence about the first argument that makes no sense.
    pub fn parse(
        arguments: impl Iterator<Item = OsString>,
        process_one: bool,
    ) -> Result<Self, String> {
        let mut config_file = None;
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--version" | "-V") if !process_one => {
                    return Ok(Self::Print(format!("kata-agent {VERSION} (API {API_VERSION})")));
                }
                Some("--help" | "-h") if !process_one => return Ok(Self::Print(USAGE.to_owned())),
                Some("-c" | "--config") => match arguments.next() {
                    Some(path) => config_file = Some(PathBuf::from(path)),
                    None if process_one => {}
                    None => return Err(format!("{} needs a file; {USAGE}", argument.display())),
                },
                Some(text) if text.starts_with("--config=") => {
                    config_file = Some(PathBuf::from(&text["--config=".len()..]));
                }
                _ if process_one => {}
                _ => return Err(format!("what is {:?}? {USAGE}", argument.display())),
            }
        }
        Ok(Self::Run { config_file })
    }
}

/// Runs the agent until it has been told to stop.
pub fn run(config_file: Option<&Path>) -> ExitCode {
    let process_one = std::process::id() == 1;
    let os: Arc<dyn Os> = Arc::new(Linux);
    panic::install(Arc::clone(&os), process_one);
    let ended = prepare_and_serve(&os, process_one, config_file);
    if process_one {
        panic::watch(&os, panic::LONGEST_LEAVING);
        if let Err(error) = &ended {
            panic::announce(&panic::Death {
                headline: "the guest agent can't run".to_owned(),
                location: None,
                reasons: reasons(error.as_ref()),
            });
        }
        panic::power_off(os.as_ref());
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("the guest agent can't run: {}", reasons(error.as_ref()).join(": "));
            eprintln!("kata-agent: {}", reasons(error.as_ref()).join(": "));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, outermost first.
fn reasons(error: &dyn Error) -> Vec<String> {
    let mut list = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        list.push(error.to_string());
        cause = error.source();
    }
    list
}

fn prepare_and_serve(
    os: &Arc<dyn Os>,
    process_one: bool,
    config_file: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let begun = Moment::now();
    logger::install();
    if process_one {
        let mut problems = Vec::new();
        let set_up = init::set_up(os.as_ref(), &mut problems);
        for problem in problems {
            log::warn!("{problem}");
        }
        set_up?;
    }
    let sources = Sources::of_this_machine(config_file);
    // Before anything that may look for a file of theirs.
    extension::mount_all(os.as_ref(), Path::new("/sys"), &sources.cmdline, extension::PATIENCE)?;
    let (config, warnings) = Config::load(&sources)?;
    logger::set_level(config.log_level);
    for warning in warnings {
        log::warn!("{warning}");
    }
    if config.log_vport > 0
        && let Err(error) = logger::serve_on_vsock(config.log_vport)
    {
        log::warn!("no log on vsock port {}: {error}", config.log_vport);
    }
    let tracer = Tracer::start(config.tracing, begun);
    let ended = work(os, process_one, &config, &tracer);
    tracer.end(ended.is_ok());
    ended
}

/// What the agent does once it knows how.
fn work(
    os: &Arc<dyn Os>,
    process_one: bool,
    config: &Config,
    tracer: &Tracer,
) -> Result<(), Box<dyn Error>> {
    let policy = Policy::load(Path::new(&config.policy_file))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(8)
        .build()?;
    let scope = if process_one { Scope::Everything } else { Scope::OwnChildren };
    drive(runtime, serve(Arc::clone(os), config, policy, tracer, scope))?;
    Ok(())
}

/// Runs to the end of `work` and no further: a thread that still hangs in a dead
/// filesystem is left where it is, for waiting for it would keep the guest alive.
fn drive<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

async fn serve(
    os: Arc<dyn Os>,
    config: &Config,
    policy: Policy,
    tracer: &Tracer,
    scope: Scope,
) -> Result<(), ServerError> {
    let reaper = Arc::new(Reaper::new(scope));
    reaper.start().map_err(ServerError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    console::start(config, &reaper);
    let devices = Arc::new(Devices::new(Arc::clone(&os), config.hotplug_timeout));
    if let Err(error) = uevent::start(Arc::clone(&os), Arc::clone(&devices)) {
        log::warn!("new devices are found by looking alone: {error}");
    }
    let mem_agent = MemAgent::start(Arc::clone(&os), config.mem_agent);
    let agent = Agent::new(os, reaper, Paths::default());
    let agent = agent.with_devices(devices).with_mem_agent(mem_agent).with_policy(policy);
    let agent = agent.with_pipe_size(config.container_pipe_size).with_tracer(tracer.clone());
    let agent = Arc::new(agent);
    let port = config.passfd_listener_port;
    if port > 0
        && let Err(error) = agent.handover.listen(port)
    {
        log::warn!("no streams over connections to vsock port {port}: {error}");
    }
    let server = Server::start(&config.server_addr, Arc::clone(&agent)).await?;
    tracer.serving();
    let why = tokio::select! {
        () = agent.wait_for_end() => "the sandbox has been destroyed",
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    log::info!("{why}; the agent stops");
    server.stop().await;
    if scope == Scope::Everything {
        // The last answer may still lie in the vsock device's queue, which is gone
        // with the machine.
        tokio::time::sleep(LAST_ANSWER).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], process_one: bool) -> Result<Arguments, String> {
        Arguments::parse(arguments.iter().map(OsString::from), process_one)
    }

    #[test]
    fn arguments_of_a_service() {
        assert_eq!(parse(&[], false), Ok(Arguments::Run { config_file: None }));
        let with_file = Ok(Arguments::Run { config_file: Some("a.toml".into()) });
        assert_eq!(parse(&["-c", "a.toml"], false), with_file);
        assert_eq!(parse(&["--config=a.toml"], false), with_file);
        let version = format!("kata-agent {VERSION} (API {API_VERSION})");
        assert_eq!(parse(&["--version"], false), Ok(Arguments::Print(version)));
        assert!(parse(&["--config"], false).unwrap_err().contains("needs a file"));
        assert!(parse(&["single"], false).unwrap_err().contains("single"));
    }

    #[test]
    fn a_thread_that_hangs_keeps_nobody_from_ending() {
        // Dropped at the end of the test, which also ends the thread.
        let (_never, hangs) = std::sync::mpsc::channel::<()>();
        let (sender, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let value = drive(runtime, async {
                let (sender, started) = tokio::sync::oneshot::channel();
                tokio::task::spawn_blocking(move || {
                    let _ = sender.send(());
                    hangs.recv()
                });
                started.await.unwrap();
                7
            });
            sender.send(value).unwrap();
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(7));
    }

    #[test]
    fn process_one_takes_whatever_the_kernel_hands_over() {
        let run = Ok(Arguments::Run { config_file: None });
        assert_eq!(parse(&["single", "--version", "agent.x"], true), run);
        assert_eq!(parse(&["-c"], true), run);
    }
}
