//! `cargo xtask fuzz`: every parser of fetched bytes against libFuzzer, each
//! target of `fuzz/` for its share of the time.

use crate::Outcome;
use crate::failure::Failure;
use crate::interrupt::tie;
use crate::project::Project;
use crate::tools;
use anyhow::{Context, anyhow};
use cargo_metadata::MetadataCommand;
use clap::Args;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tracing::{info, warn};

/// Least seconds for one target: less would only load its seeds.
const LEAST: u64 = 5;
/// Memory of a target in MiB, what AddressSanitizer needs for itself included.
const MEMORY: u64 = 1024;
/// Seconds for one input; none takes a hundredth of that.
const TIMEOUT: u64 = 10;
/// Longest input in bytes, above the largest seed.
const LENGTH: usize = 64 << 10;

#[derive(Debug, Clone, Args)]
pub(crate) struct Fuzz {
    /// Minutes for all targets together.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// Targets, all where none is given.
    targets: Vec<String>,
}

/// How a target did.
struct Ran {
    target: String,
    /// Inputs tried.
    executions: u64,
    /// Where it failed: what libFuzzer says, and the input that shows it.
    fault: Option<(String, PathBuf)>,
}

pub(crate) fn run(project: &Project, args: &Fuzz) -> Result<Outcome, Failure> {
    let fuzz = Fuzzer { project, folder: project.target().join("fuzz") };
    let all = fuzz.targets()?;
    let unknown = args.targets.iter().find(|wanted| !all.contains(wanted));
    if let Some(wanted) = unknown {
        let near = recipe::nearest(wanted, all.iter().map(String::as_str));
        let help = near.map_or_else(|| all.join(", "), |near| format!("did you mean `{near}`?"));
        return Err(Failure::input(anyhow!("there is no fuzz target `{wanted}`; {help}")));
    }
    let targets = if args.targets.is_empty() { &all } else { &args.targets };
    fuzz.check()?;
    tools::require(project, "fuzz")?;
    info!("compiling {} fuzz targets", targets.len());
    fuzz.build()?;
    let count = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    let share = (args.minutes * 60 / count).max(LEAST);
    let mut ran = Vec::new();
    for target in targets {
        info!("{target}: {share} s");
        ran.push(fuzz.target(target, share)?);
    }
    report(&ran)
}

fn report(ran: &[Ran]) -> Result<Outcome, Failure> {
    let faults: Vec<String> = ran
        .iter()
        .filter_map(|ran| {
            let (what, input) = ran.fault.as_ref()?;
            Some(format!("\n  {}: {what}\n    {}", ran.target, input.display()))
        })
        .collect();
    if !faults.is_empty() {
        return Err(anyhow!(
            "{} of {} fuzz targets failed, each on the input below it:{}",
            faults.len(),
            ran.len(),
            faults.concat()
        )
        .into());
    }
    let lines: Vec<String> =
        ran.iter().map(|ran| format!("{:>12}  {}", ran.executions, ran.target)).collect();
    let json: Vec<_> = ran
        .iter()
        .map(|ran| serde_json::json!({"target": ran.target, "executions": ran.executions}))
        .collect();
    Ok(Outcome {
        text: format!("inputs tried, no fault:\n{}", lines.join("\n")),
        json: serde_json::json!({"targets": json}),
    })
}

/// cargo-fuzz and its folders.
struct Fuzzer<'p> {
    project: &'p Project,
    /// What it builds, finds and says.
    folder: PathBuf,
}

impl Fuzzer<'_> {
    /// Names of the programs in fuzz/Cargo.toml, sorted.
    fn targets(&self) -> anyhow::Result<Vec<String>> {
        let manifest = self.project.root().join("fuzz/Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .no_deps()
            .other_options(vec!["--offline".into()])
            .exec()
            .with_context(|| format!("{} can't be read", manifest.display()))?;
        let targets = metadata.packages.iter().flat_map(|package| &package.targets);
        let mut names: Vec<String> =
            targets.filter(|target| target.is_bin()).map(|target| target.name.clone()).collect();
        names.sort();
        Ok(names)
    }

    /// Stops where the compiler is missing that no package manager brings.
    fn check(&self) -> anyhow::Result<()> {
        let probe = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        Err(anyhow!(
            "fuzz needs a nightly compiler: install it with `rustup toolchain install nightly --profile minimal`"
        ))
    }

    fn cargo_fuzz(&self, verb: &str) -> anyhow::Result<Command> {
        let mut path = vec![self.project.tool_folder()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new("rustup");
        command
            .args(["run", "nightly", "cargo", "fuzz", verb, "--fuzz-dir", "fuzz", "--target-dir"])
            .arg(&self.folder)
            .current_dir(self.project.root())
            .env("PATH", std::env::join_paths(path)?)
            // Set by the cargo that started xtask, for its own compiler.
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN");
        tie(&mut command);
        Ok(command)
    }

    fn build(&self) -> anyhow::Result<()> {
        let mut command = self.cargo_fuzz("build")?;
        let status = command.stdout(std::io::stderr()).status();
        if !status.context("rustup can't be started")?.success() {
            return Err(anyhow!("the fuzz targets do not compile; cargo says why above"));
        }
        Ok(())
    }

    fn target(&self, target: &str, seconds: u64) -> anyhow::Result<Ran> {
        let of = |kind: &str| self.folder.join(kind).join(target);
        let (corpus, artifacts) = (of("corpus"), of("artifacts"));
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("{} can't be made", folder.display()))?;
        }
        let seeds = self.project.root().join("fuzz/seeds").join(target);
        let mut command = self.cargo_fuzz("run")?;
        // Only the first folder is written to.
        command.arg(target).args([&corpus, &seeds]).arg("--");
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(&artifacts);
        prefix.push("/");
        command.arg(prefix).args([
            format!("-max_total_time={seconds}"),
            format!("-rss_limit_mb={MEMORY}"),
            format!("-timeout={TIMEOUT}"),
            format!("-max_len={LENGTH}"),
            "-print_final_stats=1".to_owned(),
        ]);
        let words = self.project.root().join(format!("fuzz/dictionaries/{target}.dict"));
        if words.is_file() {
            let mut option = OsString::from("-dict=");
            option.push(words);
            command.arg(option);
        }
        let output = command.output().context("rustup can't be started")?;
        let log = self.folder.join("logs").join(format!("{target}.log"));
        self.keep(&log, &output)?;
        let ran = judge(target, &output, &log);
        if let Some((what, input)) = &ran.fault {
            warn!("{target}: {what}: {}", input.display());
        }
        Ok(ran)
    }

    /// All that libFuzzer said, for whoever looks into a fault.
    fn keep(&self, log: &Path, output: &Output) -> anyhow::Result<()> {
        let folder = self.folder.join("logs");
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} can't be made", folder.display()))?;
        fs::write(log, &output.stderr)
            .with_context(|| format!("{} can't be written", log.display()))
    }
}

/// What a target's own words tell.
fn judge(target: &str, output: &Output, log: &Path) -> Ran {
    let text = String::from_utf8_lossy(&output.stderr);
    let after = |mark: &str| text.lines().rev().find_map(|line| line.split_once(mark)).map(|l| l.1);
    let executions = after("stat::number_of_executed_units:").and_then(|n| n.trim().parse().ok());
    let fault = (!output.status.success()).then(|| {
        // A panic says most; then what libFuzzer itself noticed.
        let panicked = text.lines().skip_while(|line| !line.contains("panicked at ")).nth(1);
        let what = panicked.or_else(|| after("ERROR: ")).unwrap_or("it ended early").trim();
        // Without an input there is only the log to read.
        let input = after("Test unit written to ").map_or_else(|| log.into(), PathBuf::from);
        (what.to_owned(), input)
    });
    Ran { target: target.to_owned(), executions: executions.unwrap_or(0), fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn output(status: i32, text: &str) -> Output {
        let status = std::process::ExitStatus::from_raw(status << 8);
        Output { status, stdout: Vec::new(), stderr: text.as_bytes().to_vec() }
    }

    #[test]
    fn a_good_run_counts_its_inputs() {
        let said = "#7 DONE cov: 3\nstat::number_of_executed_units: 1234\nstat::new_units: 2\n";
        let ran = judge("t", &output(0, said), Path::new("log"));
        assert_eq!((ran.executions, ran.fault), (1234, None));
        assert!(report(&[judge("t", &output(0, said), Path::new("log"))]).is_ok());
    }

    #[test]
    fn a_fault_is_told_with_its_input() {
        let panic = "thread '<unnamed>' panicked at src/x.rs:1:2:\nindex out of bounds\nnote: run\n\
            ==1== ERROR: libFuzzer: deadly signal\nartifact_prefix='a/'; Test unit written to a/crash-12\n\
            stat::number_of_executed_units: 9\n";
        let timeout = "ALARM: working on the last Unit for 11 seconds\n==1== ERROR: libFuzzer: timeout \
            after 11 seconds\nTest unit written to a/timeout-7\n";
        for (text, what, input, executions) in [
            (panic, "index out of bounds", "a/crash-12", 9),
            (timeout, "libFuzzer: timeout after 11 seconds", "a/timeout-7", 0),
            ("error: no such target\n", "it ended early", "log", 0),
        ] {
            let ran = judge("t", &output(77, text), Path::new("log"));
            assert_eq!(ran.fault, Some((what.to_owned(), input.into())));
            assert_eq!(ran.executions, executions);
        }
        let ran = [judge("t", &output(77, panic), Path::new("log"))];
        let failure = report(&ran).err().unwrap();
        assert_eq!(failure.exit_status(), 1);
        assert!(failure.render(false).contains("a/crash-12"));
    }

    #[test]
    fn every_target_has_its_program_and_seeds() {
        let project = Project::find().unwrap();
        let folder = project.target();
        let fuzz = Fuzzer { project: &project, folder };
        let names = |folder: &str| {
            let entries = fs::read_dir(project.root().join("fuzz").join(folder)).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| {
                    entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
                })
                .collect();
            names.sort();
            names
        };
        let targets = fuzz.targets().unwrap();
        assert_eq!(names("fuzz_targets"), targets);
        assert_eq!(names("seeds"), targets);
        for name in names("dictionaries") {
            assert!(targets.contains(&name), "{name} is no target");
        }
    }
}
