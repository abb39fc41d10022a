//! Calls any agent RPC from the command line. This file holds the arguments and the
//! exit codes; methods come from the protocol's own description, so that there is
//! no list of RPCs to keep.
//!
//! Exit codes: 0 when all commands succeeded, 1 when one failed, 2 for wrong usage
//! (an unknown command or field counts as such).

mod catalogue;
mod command;
mod request;
mod session;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kata_agent_api::connect::Address;

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
}

#[derive(Args)]
struct Connect {
    /// vsock://CID:PORT, hvsock:///PATH:PORT, unix:///PATH or unix://@NAME.
    #[arg(long, value_name = "ADDRESS")]
    server_address: String,
    /// The unix address is a hypervisor's hybrid vsock socket.
    #[arg(long)]
    hybrid_vsock: bool,
    /// Port in the guest behind a hybrid vsock socket.
    #[arg(long, default_value_t = kata_agent_api::ports::TTRPC, value_name = "PORT")]
    hybrid_vsock_port: u32,
    /// A command, such as 'Check' or 'CopyFile json://{…}'; may be given many times.
    #[arg(short = 'c', long = "cmd", required = true, value_name = "COMMAND")]
    commands: Vec<String>,
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
    let Verb::Connect(arguments) = cli.verb;
    match run(&arguments) {
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
    let mut address: Address = arguments.server_address.parse().map_err(command::Error::Address)?;
    if let (true, Address::Unix(path)) = (arguments.hybrid_vsock, &address) {
        address = Address::Hybrid { path: path.clone(), port: arguments.hybrid_vsock_port };
    }
    // All commands are read before the first one runs, so that a misspelt last one
    // does not leave a guest half way.
    let commands = arguments
        .commands
        .iter()
        .map(|text| command::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let timeout = (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout));
    let session = Session { address, timeout, defaults: !arguments.no_auto_values };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(command::Error::Runtime)?;
    runtime.block_on(session.run(&commands, arguments.repeat, arguments.ignore_errors))
}
