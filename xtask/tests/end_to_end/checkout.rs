//! The checkout these tests lie in, and its xtask as a caller starts it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Seconds a boot may take: a figure for hosts with much else to do, since no
/// test here is about speed.
const TIMEOUT: &str = "240";

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where `cargo install` puts tools for the checkout.
pub fn tool_folder() -> PathBuf {
    root().join("target/tools/bin")
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Takes the output of a command that ran.
    pub fn of(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {self:#?}"))
    }

    /// Fails the test unless the command did its work.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:#?}");
        self
    }
}

/// Runs xtask with these words.
pub fn xtask(words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    Ran::of(&command.args(words).current_dir(root()).output().unwrap())
}

/// Runs `xtask --json boot`, under TCG so that results do not depend on the host.
pub fn boot(words: &[&str]) -> Ran {
    let mut all = vec!["--json", "boot", "--accel", "tcg", "--timeout", TIMEOUT];
    let kernel = std::env::var("KATA_TEST_KERNEL").ok();
    if let Some(kernel) = kernel.as_deref().filter(|_| !words.contains(&"--kernel")) {
        all.extend(["--kernel", kernel]);
    }
    all.extend(words);
    xtask(&all)
}

/// Boots a guest that has to pass, and returns its report.
#[track_caller]
pub fn booted(words: &[&str]) -> Value {
    boot(words).succeeded().json()
}

/// The kernel to boot, built if it is not there.
pub fn kernel() -> PathBuf {
    if let Some(kernel) = std::env::var_os("KATA_TEST_KERNEL") {
        return kernel.into();
    }
    let built = xtask(&["--json", "build-kernel"]).succeeded().json();
    PathBuf::from(built["vmlinuz"].as_str().unwrap())
}

/// What build-image makes of these words, in its usual place or in `folder`.
pub fn built(words: &[&str], folder: Option<&Path>) -> PathBuf {
    let mut all = vec!["--json", "build-image"];
    all.extend(words);
    let folder = folder.map(|folder| folder.to_str().unwrap());
    all.extend(folder.iter().flat_map(|folder| ["--out", *folder]));
    let built = xtask(&all).succeeded().json();
    PathBuf::from(built["artifact"].as_str().unwrap())
}

/// The guest of that distro in its default form, built if it is not there.
pub fn artifact(distro: &str) -> PathBuf {
    built(&["--distro", distro], None)
}

/// A guest in its `debug` variant, and the kernel parameters that its manifest asks
/// for.
pub fn debug_variant(distro: &str) -> (PathBuf, Vec<String>) {
    let words = ["--json", "build-image", "--distro", distro, "--variant", "debug"];
    let built = xtask(&words).succeeded().json();
    let manifest = std::fs::read(built["manifest"].as_str().unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let parameters = serde_json::from_value(manifest["kernel-parameters"].clone()).unwrap();
    (PathBuf::from(built["artifact"].as_str().unwrap()), parameters)
}

/// The devkit extension, built into `folder`.
pub fn devkit(folder: &Path) -> PathBuf {
    let words = ["--json", "build-extension", "devkit", "--distro", "debian", "--out"];
    let built = xtask(&[&words[..], &[folder.to_str().unwrap()]].concat()).succeeded().json();
    PathBuf::from(built["artifact"].as_str().unwrap())
}

/// The Debian image with a dm-verity tree, built into `folder`.
pub fn measured(folder: &Path) -> PathBuf {
    built(&["--distro", "debian", "--verity"], Some(folder))
}
