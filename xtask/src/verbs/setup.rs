//! `cargo xtask setup`: installs the host tools of verbs, or says how to.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Setup;
use crate::interrupt::tie;
use crate::project::Project;
use crate::tools::{self, Install, TOOLS, Tool};
use anyhow::{Context, anyhow, bail};
use std::process::Command;
use tracing::info;

pub(crate) fn run(project: &Project, args: &Setup) -> Result<Outcome, Failure> {
    let mut verbs: Vec<&str> = TOOLS.iter().flat_map(|tool| tool.verbs).copied().collect();
    verbs.sort_unstable();
    verbs.dedup();
    let wanted: Vec<&str> = match args.verbs.as_slice() {
        [] => verbs.clone(),
        given => given.iter().map(String::as_str).collect(),
    };
    for verb in &wanted {
        if !verbs.contains(verb) {
            let near = recipe::nearest(verb, verbs.iter().copied());
            let help = near.map_or_else(|| verbs.join(", "), |n| format!("did you mean `{n}`?"));
            return Err(Failure::input(anyhow!("no verb `{verb}` needs tools; {help}")));
        }
    }
    let missing: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| tool.verbs.iter().any(|verb| wanted.contains(verb)))
        .filter(|tool| tools::find(project, tool).is_none())
        .collect();
    let names: Vec<_> = missing.iter().map(|tool| tool.name).collect();
    let json = |installed: bool| {
        serde_json::json!({
            "missing": names, "installed": installed, "commands": tools::commands(project, &missing),
        })
    };
    if missing.is_empty() {
        return Ok(Outcome { text: "every tool is here".into(), json: json(false) });
    }
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let automatic = args.yes || (ci && nix::unistd::geteuid().is_root());
    if automatic {
        install(project, &missing)?;
        return Ok(Outcome { text: format!("installed {}", names.join(", ")), json: json(true) });
    }
    let mut text = String::from("missing:\n");
    for tool in &missing {
        text += &format!("  {} ({})\n", tool.name, tool.purpose);
    }
    text += "\ninstall them with `cargo xtask setup --yes` as root, or with:\n";
    for command in tools::commands(project, &missing) {
        text += &format!("  {command}\n");
    }
    Ok(Outcome { text, json: json(false) })
}

/// Installs `missing`; apt-get wants root, crates do not.
pub(crate) fn install(project: &Project, missing: &[&Tool]) -> Result<(), Failure> {
    let packages: Vec<&str> = missing
        .iter()
        .filter_map(|tool| match tool.install {
            Install::Apt(package) => Some(package),
            Install::Cargo(_) => None,
        })
        .collect();
    if !packages.is_empty() {
        if !nix::unistd::geteuid().is_root() {
            let command = tools::commands(project, missing).swap_remove(0);
            return Err(anyhow!("installing packages needs root; run `sudo {command}`").into());
        }
        info!("apt-get: {}", packages.join(" "));
        apt_get(&["update", "--quiet"])?;
        let mut words = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
        words.extend(&packages);
        apt_get(&words)?;
    }
    for tool in missing {
        if let Install::Cargo(name) = tool.install {
            info!("cargo install {name}");
            let version = tools::version(project, name);
            let root = project.target().join("tools");
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            command.args(["install", "--quiet", "--locked", "--version", version]).arg(name);
            // What is compiled for a tool is of no use to anything else.
            command.arg("--root").arg(&root).env("CARGO_TARGET_DIR", root.join("build"));
            finish(command.stdout(std::io::stderr()), name)?;
        }
    }
    Ok(())
}

fn apt_get(words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
    finish(&mut command, "apt-get")
}

fn finish(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let status = tie(command).status().with_context(|| format!("{name} can't be started"))?;
    if !status.success() {
        bail!("{name} failed ({status}); it says why above");
    }
    Ok(())
}
