//! Calls any agent RPC from the command line. This file holds the arguments and the
//! exit codes; methods come from the protocol's own description, so that there is
//! no list of RPCs to keep.
//!
//! Exit codes: 0 when all commands succeeded, 1 when one failed, 2 for wrong usage
//! (an unknown command or field counts as such). `run` has the container's own.

mod bundle;
mod catalogue;
mod command;
mod console;
mod request;
mod run;
mod session;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kata_agent_api::connect::Address;
use tokio::runtime::Runtime;

use session::Session;

#[derive(Parser)]
#[command(name = "kata-agent-ctl", version, about = "Calls RPCs of a Kata guest agent")]
struct Cli {
    /// Least important message on standard error.
    #[arg(short, long, global = true, value_enum, default_value = "warn")]
    log_level: Level,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Subcommand)]
enum Verb {
    /// Connect to an agent and run commands.
    Connect(Connect),
    /// Run a bundle of this machine as a container in the guest, from start to exit.
    Run(Bundle),
    /// Use the shell of a guest that was booted with agent.debug_console.
    Console(Console),
}

#[derive(Args)]
struct Console {
    /// vsock://CID:PORT, hvsock:///PATH:PORT, unix:///PATH or unix://@NAME; the port
    /// may be the agent's.
    #[arg(long, value_name = "ADDRESS")]
    server_address: String,
    /// The unix address is a hypervisor's hybrid vsock socket.
    #[arg(long)]
    hybrid_vsock: bool,
    /// Port of the console in the guest.
    #[arg(long, default_value_t = kata_agent_api::ports::DEBUG_CONSOLE, value_name = "PORT")]
    port: u32,
    /// Seconds to wait for the connection.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
}

/// Where an agent is.
#[derive(Args)]
struct Target {
    /// vsock://CID:PORT, hvsock:///PATH:PORT, unix:///PATH or unix://@NAME.
    #[arg(long, value_name = "ADDRESS")]
    server_address: String,
    /// The unix address is a hypervisor's hybrid vsock socket.
    #[arg(long)]
    hybrid_vsock: bool,
    /// Port in the guest behind a hybrid vsock socket.
    #[arg(long, default_value_t = kata_agent_api::ports::TTRPC, value_name = "PORT")]
    hybrid_vsock_port: u32,
}

impl Target {
    fn address(&self) -> Result<Address, command::Error> {
        address(&self.server_address, self.hybrid_vsock.then_some(self.hybrid_vsock_port))
    }
}

#[derive(Args)]
struct Bundle {
    /// Folder with config.json and the root filesystem, whose files are copied into
    /// the guest.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The container's name; the bundle's folder where not given.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Folder in the guest that is the root filesystem already; nothing is copied.
    #[arg(long, value_name = "PATH")]
    rootfs: Option<PathBuf>,
    /// Seconds to wait for the connection, and for each answer of the agent.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Args)]
struct Connect {
    #[command(flatten)]
    target: Target,
    /// A command, such as 'Check' or 'CopyFile json://{…}'; may be given many times.
    #[arg(short = 'c', long = "cmd", value_name = "COMMAND", required_unless_present = "script")]
    commands: Vec<String>,
    /// A file of commands, one a line, with # comments; - is standard input. They run
    /// after those of the command line.
    #[arg(long, value_name = "FILE")]
    script: Option<String>,
    /// Go on after a command that failed.
    #[arg(long)]
    ignore_errors: bool,
    /// Leave out fields of an answer that have their default value, and fill in none
    /// of a request.
    #[arg(short, long)]
    no_auto_values: bool,
    /// Seconds to wait for the connection and for each answer; 0 waits for ever.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
    /// How often to run the commands.
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    repeat: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.log_level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    let outcome = match &cli.verb {
        Verb::Run(arguments) => match run_bundle(arguments) {
            // The container's own, in the eight bits that an exit code has.
            Ok(code) => return ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)),
            Err(error) => Err(error),
        },
        Verb::Connect(arguments) => run(arguments),
        Verb::Console(arguments) => console(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kata-agent-ctl: {}", chain(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace('\n', " ")
}

fn run(arguments: &Connect) -> Result<(), command::Error> {
    let address = arguments.target.address()?;
    // All commands are read before the first one runs, so that a misspelt last one
    // does not leave a guest half way.
    let commands = arguments
        .commands
        .iter()
        .map(|text| command::parse(text))
        .chain(arguments.script.iter().flat_map(|path| match command::script(path) {
            Ok(commands) => commands.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }))
        .collect::<Result<Vec<_>, _>>()?;
    let timeout = (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout));
    let session = Session { address, timeout, defaults: !arguments.no_auto_values };
    runtime()?.block_on(session.run(&commands, arguments.repeat, arguments.ignore_errors))
}

fn run_bundle(arguments: &Bundle) -> Result<i32, command::Error> {
    let address = arguments.target.address()?;
    let name = || Some(arguments.bundle.canonicalize().ok()?.file_name()?.to_str()?.to_owned());
    let id = arguments.id.clone().or_else(name).unwrap_or_else(|| "container".to_owned());
    let runtime = runtime()?;
    let outcome = runtime.block_on(run::run(&run::Run {
        address: &address,
        patience: Duration::from_secs(arguments.timeout),
        bundle: &arguments.bundle,
        id: &id,
        rootfs: arguments.rootfs.as_deref(),
    }));
    // A thread may still wait for standard input, and is not waited for in turn.
    runtime.shutdown_background();
    outcome
}

fn console(arguments: &Console) -> Result<(), command::Error> {
    let hybrid = arguments.hybrid_vsock.then_some(arguments.port);
    let address = address(&arguments.server_address, hybrid)?.with_port(arguments.port);
    let runtime = runtime()?;
    let patience = Duration::from_secs(arguments.timeout);
    let outcome = runtime.block_on(console::run(&address, patience));
    // A thread may still wait for a key, and is not waited for in turn.
    runtime.shutdown_background();
    outcome
}

/// Where to connect; a Unix socket with a `hybrid` port is a hypervisor's.
fn address(text: &str, hybrid: Option<u32>) -> Result<Address, command::Error> {
    Ok(match (text.parse().map_err(command::Error::Address)?, hybrid) {
        (Address::Unix(path), Some(port)) => Address::Hybrid { path, port },
        (address, _) => address,
    })
}

fn runtime() -> Result<Runtime, command::Error> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(command::Error::Runtime)
}
