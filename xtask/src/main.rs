//! `cargo xtask VERB`: the project's command line. One file a verb, no logic of
//! its own: verbs call the libraries of the other rooms and show what they say.
//!
//! Exit status: 0 done, 1 the work failed, 2 usage or invalid input. With
//! `--json` there is exactly one JSON document on standard output; progress and
//! log always go to standard error.

mod failure;
mod flags;
mod interrupt;
mod progress;
mod project;
mod supply;
mod tools;
mod verbs;

use clap::Parser;
use failure::Failure;
use flags::{Color, Flags, Verb};
use project::Project;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What a verb has to say when it is done.
pub(crate) struct Outcome {
    /// For people.
    text: String,
    /// For programs.
    json: serde_json::Value,
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => return misuse(&error),
    };
    start_log(&flags);
    interrupt::install(flags.json);
    match run(&flags) {
        Ok(outcome) => {
            if flags.json {
                println!("{:#}", outcome.json);
            } else if !flags.quiet && !outcome.text.is_empty() {
                println!("{}", outcome.text.trim_end());
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprint!("{}", failure.render(flags.color_on_stderr()));
            if flags.json {
                println!("{:#}", failure.json());
            }
            ExitCode::from(failure.exit_status())
        }
    }
}

/// A command line that can't be understood, or one that asks for help.
fn misuse(error: &clap::Error) -> ExitCode {
    // Nobody can be told if this fails.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if std::env::args_os().any(|word| word == "--json") {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        println!("{:#}", Failure::input(anyhow::Error::msg(message)).json());
    }
    ExitCode::from(2)
}

fn start_log(flags: &Flags) {
    let level = match (flags.quiet, flags.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("KATA_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,xtask={level},osbuilder={level},mirror={level},kernel_builder={level},hypervisor={level},boot_check={level},repository={level},artifact_store={level}")));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(flags.color_on_stderr())
        .without_time()
        .with_target(false)
        .with_env_filter(filter)
        .init();
}

fn run(flags: &Flags) -> Result<Outcome, Failure> {
    let project = Project::find()?;
    match &flags.verb {
        Verb::BuildImage(args) => verbs::build_image::run(&project, flags, args),
        Verb::BuildExtension(args) => verbs::build_extension::run(&project, flags, args),
        Verb::BuildKernel(args) => verbs::build_kernel::run(&project, flags, args),
        Verb::BuildAgent(args) => verbs::build_agent::run(&project, flags, args),
        Verb::Lock(args) => verbs::lock::run(&project, flags, args),
        Verb::Fetch(args) => verbs::fetch::run(&project, flags, args),
        Verb::Vendor(args) => verbs::vendor::run(&project, flags, args),
        Verb::Mirror(args) => verbs::mirror::run(&project, flags, args),
        Verb::Boot(args) => verbs::boot::run(&project, flags, args),
        Verb::Setup(args) => verbs::setup::run(&project, args),
        Verb::Bench(args) => verbs::bench::run(&project, flags, args),
        Verb::Repro(args) => verbs::repro::run(&project, args),
        Verb::Plan(args) => verbs::plan::run(&project, flags, args),
        Verb::Show(args) => verbs::show::run(&project, flags, args),
        Verb::Why(args) => verbs::why::run(&project, flags, args),
        Verb::Sizes(args) => verbs::sizes::run(&project, flags, args),
        Verb::Diff(args) => verbs::diff::run(&project, flags, args),
        Verb::Bundle(args) => verbs::bundle::run(&project, flags, args),
        Verb::Store(args) => verbs::store::run(&project, args),
        Verb::Fuzz(args) => verbs::fuzz::run(&project, args),
        Verb::Tidy => verbs::tidy::run(&project),
        Verb::Ci(args) => verbs::ci::run(&project, args),
    }
}

impl Color {
    fn on(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}
