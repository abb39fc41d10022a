//! Entry point of the guest agent. Decides only whether it runs as process 1 or
//! as a service; everything else is in the library.
//!
//! Exit codes of the service: 0 after an orderly end, 1 when it could not work,
//! 2 for wrong arguments. Process 1 never exits: it powers the guest off.

use std::process::ExitCode;

use kata_agent::run::{self, Arguments};
use kata_agent::sandbox;

fn main() -> ExitCode {
    // Processes of containers begin as this program, executed again.
    if let Some(code) = guest_container::run_if_asked().or_else(sandbox::pause_if_asked) {
        return code;
    }
    match Arguments::parse(std::env::args_os().skip(1), std::process::id() == 1) {
        Ok(Arguments::Run { config_file }) => run::run(config_file.as_deref()),
        Ok(Arguments::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("kata-agent: {problem}");
            ExitCode::from(2)
        }
    }
}
