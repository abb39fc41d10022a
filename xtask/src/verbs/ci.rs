//! `cargo xtask ci`: everything that CI runs, in the order in which a mistake
//! shows soonest. The test runner comes last, so that its own summary is the
//! last line.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Ci;
use crate::interrupt::tie;
use crate::project::Project;
use crate::tools;
use crate::verbs::{build_kernel, setup};
use anyhow::{Context, anyhow, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;
use tracing::{info, warn};

/// About a minute for each target.
const FUZZ_MINUTES: &str = "25";

pub(crate) fn run(project: &Project, args: &Ci) -> Result<Outcome, Failure> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // Parts of the toolchain that no package manager brings: said before minutes
    // are spent on the rest.
    for part in ["fmt", "clippy"] {
        let probe = Command::new(&cargo).args([part, "--version"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            return Err(anyhow!(
                "ci needs `cargo {part}`: install it with `rustup component add rustfmt clippy`"
            )
            .into());
        }
    }
    let mut missing = tools::missing(project, "ci");
    if args.nightly {
        missing.extend(tools::missing(project, "fuzz"));
    }
    if !missing.is_empty() {
        setup::install(project, &missing)?;
    }
    let xtask = std::env::current_exe().context("xtask does not know where it is")?;
    let xtask = xtask.to_string_lossy().into_owned();
    // Later steps ask cargo for the whole graph, tests included.
    step(project, &cargo, &["fetch", "--locked"])?;
    step(project, &xtask, &["tidy"])?;
    step(project, &cargo, &["fmt", "--all", "--check"])?;
    // Advisories need their database, which is not in a package registry.
    step(
        project,
        &cargo,
        &["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"],
    )?;
    step(
        project,
        &cargo,
        &[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--locked",
            "--features",
            "xtask/end-to-end,osbuilder/end-to-end,image/kernel-tests,kata-agent/policy,\
             kata-agent/tracing,guest-container/runc-oracle,\
             kata-agent-ctl/guest-tests",
            "--",
            "-Dwarnings",
        ],
    )?;
    let mut locks = Vec::new();
    if !args.quick {
        locks = usable_locks(project, &xtask)?;
        for words in [
            &["build-kernel"][..],
            &["mirror", "alpine"],
            &["build-image", "--distro", "debian"],
            &["build-image", "--distro", "alpine"],
            &["repro", "--agent", "--kernel"],
        ] {
            step_with(project, &xtask, words, &locks)?;
        }
    }
    if args.nightly {
        step(project, &xtask, &["fuzz", "--minutes", FUZZ_MINUTES])?;
    }
    let mut test = vec!["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
    if !args.quick {
        test.extend([
            "--features",
            "xtask/end-to-end,boot-check/boot-tests,osbuilder/end-to-end,image/kernel-tests,\
             kata-agent/policy,kata-agent/tracing,guest-container/runc-oracle,\
             kata-agent-ctl/guest-tests",
        ]);
    }
    let kernel = if args.quick { PathBuf::new() } else { build_kernel::usual(project, true)? };
    let out = project.out(std::env::consts::ARCH);
    // What the tests of boot-check boot: the artifacts of the steps before.
    let mut guests = vec![
        ("KATA_TEST_KERNEL", kernel),
        ("KATA_TEST_INITRD", out.join("kata-alpine-3.23.initrd")),
        ("KATA_TEST_IMAGE", out.join("kata-debian-trixie.img")),
        ("KATA_TEST_TOOLS", project.tool_folder()),
    ];
    // What `mirror` fetched serves the tests of the real apk as well.
    guests.extend(locks);
    guests.extend(wheel(project).map(|wheel| ("KATA_QUICKSAND_WHEEL", wheel)));
    step_with(project, &cargo, &test, &guests)?;
    Ok(Outcome { text: String::new(), json: serde_json::json!({"passed": true}) })
}

/// What leads the later steps to locks that work. Those of the recipes are
/// taken as long as a mirror has their packages. An archive that has released
/// anew since, and keeps nothing old, is no fault of the change under test: it
/// goes on with locks of today, in a folder of their own.
fn usable_locks(project: &Project, xtask: &str) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let which = ["--distro", "debian", "--arch", "x86_64", "--arch", "aarch64"];
    let words = |verb| [&[verb][..], &which].concat();
    let Err(error) = step(project, xtask, &words("fetch")) else { return Ok(Vec::new()) };
    warn!("{error}; going on with new locks: land those that `cargo xtask lock` makes");
    let folder = project.target().join("ci-locks");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let locks = vec![("KATA_LOCKS", folder)];
    step_with(project, xtask, &words("lock"), &locks)?;
    step_with(project, xtask, &words("fetch"), &locks)?;
    Ok(locks)
}

fn wheel(project: &Project) -> Option<PathBuf> {
    let entries = std::fs::read_dir(project.target().join("mirror/wheel")).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

fn step(project: &Project, program: &str, words: &[&str]) -> anyhow::Result<()> {
    step_with(project, program, words, &[])
}

fn step_with(
    project: &Project,
    program: &str,
    words: &[&str],
    variables: &[(&str, PathBuf)],
) -> anyhow::Result<()> {
    let name = words.join(" ");
    info!("==> {name}");
    let clock = Instant::now();
    // Tools that setup compiled come first, as cargo finds its subcommands by PATH.
    let mut path = vec![project.tool_folder()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(project.root())
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("PATH", std::env::join_paths(path)?)
        // Standard output is for our own result.
        .stdout(std::io::stderr());
    let status = tie(&mut command).status().with_context(|| format!("{name} can't be started"))?;
    if !status.success() {
        bail!("{name} failed ({status}); it says why above");
    }
    if !name.starts_with("nextest") {
        info!("<== {name}: {:.0} s", clock.elapsed().as_secs_f64());
    }
    Ok(())
}
