//! `cargo xtask build-agent`: the static guest agent, compiled only when
//! something that goes into it changed.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{BuildAgent, Flags};
use crate::interrupt::tie;
use crate::project::Project;
use crate::tools;
use anyhow::{Context, anyhow, bail};
use osbuilder::Agent;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracing::info;

pub(crate) fn run(
    project: &Project,
    _flags: &Flags,
    args: &BuildAgent,
) -> Result<Outcome, Failure> {
    let agent = build(project, &args.arch)?;
    let path = project.out(&args.arch).join("kata-agent");
    let (size, sha256) = (agent.binary.len(), hex::encode(agent.sha256));
    let text = format!("{} {}: {size} bytes\n  sha256 {sha256}", path.display(), agent.version);
    let json = serde_json::json!({
        "agent": path, "version": agent.version, "size": size, "sha256": sha256,
    });
    Ok(Outcome { text, json })
}

/// The agent for `architecture`, compiled if its sources changed.
pub(crate) fn build(project: &Project, architecture: &str) -> Result<Agent, Failure> {
    if architecture != std::env::consts::ARCH {
        return Err(Failure::input(anyhow!(
            "the agent for {architecture} can't be compiled on {}: give one with --agent FILE",
            std::env::consts::ARCH
        )));
    }
    let key = hex::encode(source_digest(project)?);
    let path = project.out(architecture).join("kata-agent");
    let key_file = project.out(architecture).join(".kata-agent.inputs");
    let recorded = fs::read_to_string(&key_file).unwrap_or_default();
    if let Ok(binary) = fs::read(&path) {
        let agent = agent(binary);
        // The record holds both digests: of what went in and of what came out.
        if recorded == format!("{key} {}", hex::encode(agent.sha256)) {
            return Ok(agent);
        }
    }
    tools::require(project, "build-agent")?;
    info!("compiling the agent (once; until its sources change)");
    let binary = compile(project, architecture)?;
    fs::create_dir_all(project.out(architecture)).context("target/kata can't be made")?;
    replace(&path, &binary, 0o755)?;
    let agent = agent(binary);
    replace(&key_file, format!("{key} {}", hex::encode(agent.sha256)).as_bytes(), 0o644)?;
    Ok(agent)
}

/// A given binary for a guest of `architecture`, with the version that the
/// caller gave, else what it says itself, else `external`.
pub(crate) fn given(
    path: &Path,
    architecture: &str,
    version: Option<&str>,
) -> Result<Agent, Failure> {
    let binary = fs::read(path)
        .with_context(|| format!("the agent {} can't be read", path.display()))
        .map_err(Failure::input)?;
    osbuilder::check_agent_file(&binary, architecture)
        .with_context(|| format!("the agent {} can't be put into the guest", path.display()))
        .map_err(Failure::input)?;
    // It goes into a file of the guest and into documents.
    let odd = |version: &&str| version.is_empty() || !version.bytes().all(|b| b.is_ascii_graphic());
    if let Some(version) = version.filter(odd) {
        return Err(Failure::input(anyhow!("`{version}` is no version: it has to be one word")));
    }
    let mut agent = agent(binary);
    agent.version = match version {
        Some(version) => version.to_owned(),
        // A program for other machines can't be asked here.
        None if architecture == std::env::consts::ARCH => {
            let asked = Command::new(path).arg("--version").output();
            let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            version_in(&text.unwrap_or_default()).unwrap_or("external").to_owned()
        }
        None => "external".to_owned(),
    };
    Ok(agent)
}

/// The first word of a `--version` answer that reads as a version.
fn version_in(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.~_".contains(c);
    text.split_whitespace().find(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.contains('.')
            && word.chars().all(plain)
    })
}

fn agent(binary: Vec<u8>) -> Agent {
    let sha256 = Sha256::digest(&binary).into();
    Agent { version: env!("CARGO_PKG_VERSION").to_owned(), binary, sha256 }
}

fn compile(project: &Project, architecture: &str) -> anyhow::Result<Vec<u8>> {
    let triple = format!("{architecture}-unknown-linux-gnu");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Paths of this machine would make the binary differ from one built
    // elsewhere; the flags below are all that reaches the compiler.
    let home = cargo_home()?;
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/kata", project.root().display()),
        format!("--remap-path-prefix={}=/cargo", home.display()),
    ]
    .join("\u{1f}");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--package", "kata-agent", "--bin", "kata-agent", "--profile", "agent"])
        .args(["--locked", "--target", &triple])
        // Generated sources carry their path: it has to lie below the root,
        // which is remapped, wherever the user keeps other targets.
        .arg("--target-dir")
        .arg(project.target())
        .current_dir(project.root())
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        // Cargo's own messages are log: standard output is for the result.
        .stdout(std::io::stderr());
    let status = tie(&mut command).status().context("cargo can't be started")?;
    if !status.success() {
        bail!("the agent does not compile (cargo says why above)");
    }
    let path = project.target().join(&triple).join("agent/kata-agent");
    fs::read(&path).with_context(|| format!("{} is missing after the build", path.display()))
}

fn cargo_home() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cargo"))
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().context("no folder")?;
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("{} can't be written", path.display()))?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    file.persist(path).with_context(|| format!("{} can't be written", path.display()))?;
    Ok(())
}

/// Digest of everything that decides the binary: sources, dependencies,
/// profile, compiler.
fn source_digest(project: &Project) -> anyhow::Result<[u8; 32]> {
    let root = project.root();
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    collect(&root.join("agent"), &mut files)?;
    files.sort();
    let mut hasher = Sha256::new();
    hasher.update(env!("RUSTC_VERSION_VERBOSE"));
    // The C library is linked in, by the linker that comes with the compiler.
    let libc = Command::new("gcc").arg("-print-file-name=libc.a").output();
    let libc = libc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    for library in libc.iter().chain(std::iter::once(&"/usr/bin/ld".to_owned())) {
        hasher.update(fs::read(library).unwrap_or_default());
    }
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("{}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        hasher.update(format!("\0{name}\0{}\0", bytes.len()));
        hasher.update(bytes);
    }
    Ok(hasher.finalize().into())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !path.ends_with("tests") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs" || e == "toml" || e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
