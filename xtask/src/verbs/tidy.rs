//! `cargo xtask tidy`: the rules of the house that a compiler can't check.

use crate::Outcome;
use crate::failure::Failure;
use crate::project::Project;
use anyhow::{Context, anyhow};
use cargo_metadata::{Metadata, MetadataCommand};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const MAX_LINES: usize = 1_000;

/// Names that say nothing about what is inside.
const VAGUE_MODULES: &[&str] = &["common", "helpers", "inner", "manager", "misc", "util", "utils"];

/// Rooms (by the folder of their crate) that must not know another room.
const FORBIDDEN: &[(&str, &str)] = &[
    ("osbuilder", "runtime"),
    ("osbuilder", "agent"),
    ("kernel", "runtime"),
    ("kernel", "agent"),
    ("runtime", "agent"),
    ("runtime", "osbuilder"),
    ("runtime", "kernel"),
    ("agent", "osbuilder"),
    ("agent", "kernel"),
    ("agent", "runtime"),
];

/// Crates without any I/O, and what they may not depend on.
const PURE: &[(&str, &[&str])] =
    &[("recipe", &["artifact-store", "repository", "ureq", "tokio", "nix", "duct", "tempfile"])];

/// Deepest chain of our own crates.
const MAX_FLOORS: usize = 6;

pub(crate) fn run(project: &Project) -> Result<Outcome, Failure> {
    let mut found = Vec::new();
    let files = sources(project.root())?;
    for file in &files {
        check_file(project.root(), file, &mut found)?;
    }
    let metadata = MetadataCommand::new()
        .manifest_path(project.root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()
        .context("cargo metadata failed")?;
    check_edges(&metadata, &mut found);
    if found.is_empty() {
        let text =
            format!("{} files and {} crates keep the rules", files.len(), metadata.packages.len());
        return Ok(Outcome { text, json: serde_json::json!({"files": files.len(), "broken": []}) });
    }
    Err(anyhow!("the rules of the house are broken:\n  {}", found.join("\n  ")).into())
}

fn sources(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["agent", "fuzz", "kernel", "osbuilder", "runtime", "xtask"].map(|d| root.join(d)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn check_file(root: &Path, path: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let name = path.strip_prefix(root).unwrap_or(path).display();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{name}: {lines} lines, {MAX_LINES} at most"));
    }
    if !text.starts_with("//!") {
        found.push(format!("{name}:1: it does not open with `//!` saying what it is"));
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).map(|f| f.to_string_lossy().into_owned());
    for word in std::iter::once(stem).chain(folder) {
        if VAGUE_MODULES.contains(&word.as_str()) {
            found.push(format!("{name}: `{word}` says nothing about what is inside"));
        }
    }
    for (number, line) in text.lines().enumerate() {
        // Built from halves, so that this file keeps its own rule.
        let open = ["TO", "DO"].concat();
        if line.contains(&open) && !line.contains(&format!("{open}(#")) {
            found.push(format!("{name}:{}: a {open} without an issue number", number + 1));
        }
        // A test may be the child process of another one, which then runs it.
        let child = line.contains("= \"started by ");
        if line.contains(&["#[", "ignore"].concat()) && !child {
            found.push(format!("{name}:{}: a test that never runs", number + 1));
        }
    }
    Ok(())
}

fn check_edges(metadata: &Metadata, found: &mut Vec<String>) {
    let root = metadata.workspace_root.as_std_path();
    let room = |manifest: &Path| -> String {
        let relative = manifest.strip_prefix(root).unwrap_or(manifest);
        relative
            .components()
            .next()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let ours: BTreeSet<&str> =
        metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let from = room(package.manifest_path.as_std_path());
        for dependency in &package.dependencies {
            if dependency.kind != cargo_metadata::DependencyKind::Normal {
                continue;
            }
            let forbidden = PURE.iter().any(|(name, words)| {
                package.name == *name && words.contains(&dependency.name.as_str())
            });
            if forbidden {
                found
                    .push(format!("{} is pure and must not use {}", package.name, dependency.name));
            }
            let Some(path) =
                dependency.path.as_ref().filter(|_| ours.contains(dependency.name.as_str()))
            else {
                continue;
            };
            let to = room(&path.as_std_path().join("Cargo.toml"));
            // The protocol crate is the one contract between host and guest.
            let contract = dependency.name == "kata-agent-api";
            if !contract && FORBIDDEN.contains(&(from.as_str(), to.as_str())) {
                found.push(format!(
                    "{} ({from}) must not know {} ({to})",
                    package.name, dependency.name
                ));
            }
        }
    }
    for package in &metadata.packages {
        let floors = floors(metadata, &package.name, 0);
        if floors > MAX_FLOORS {
            found.push(format!("{} stands on {floors} floors, {MAX_FLOORS} at most", package.name));
        }
    }
}

fn floors(metadata: &Metadata, name: &str, depth: usize) -> usize {
    // A cycle can't be, cargo refuses it; the bound is for its absence of proof.
    if depth > 64 {
        return depth;
    }
    let package = metadata.packages.iter().find(|package| package.name == name);
    let below = package.into_iter().flat_map(|package| &package.dependencies);
    1 + below
        .filter(|dependency| dependency.path.is_some())
        .filter(|dependency| dependency.kind == cargo_metadata::DependencyKind::Normal)
        .map(|dependency| floors(metadata, &dependency.name, depth + 1))
        .max()
        .unwrap_or(0)
}
