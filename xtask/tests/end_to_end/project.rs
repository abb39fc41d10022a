//! A project of its own beside the checkout: the checkout's recipes, to which a
//! test may add, and a target folder that nobody else looks into, so that no
//! mirror of a test goes on record for anybody.

use crate::checkout::{Ran, root, xtask};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The project.
pub struct Project {
    folder: TempDir,
    agent: PathBuf,
}

impl Project {
    /// With the recipes as they are, and the checkout's agent.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("recipes"), &folder.path().join("recipes"));
        fs::copy(root().join("versions.yaml"), folder.path().join("versions.yaml")).unwrap();
        let built = xtask(&["--json", "build-agent"]).succeeded().json();
        Self { folder, agent: PathBuf::from(built["agent"].as_str().unwrap()) }
    }

    /// A path below it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Puts `new` in place of `old`, which must be there once.
    pub fn edit(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert_eq!(text.matches(old).count(), 1, "`{old}` in {name}");
        self.write(name, &text.replace(old, new));
    }

    /// Runs xtask in it.
    pub fn xtask(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        Ran::of(&command.args(words).current_dir(self.folder.path()).output().unwrap())
    }

    /// Runs `build-image --json` with the checkout's agent.
    pub fn build(&self, words: &[&str]) -> Ran {
        let agent = self.agent.to_str().unwrap();
        self.xtask(&[&["--json", "build-image", "--agent", agent], words].concat())
    }

    /// A file that describes an artifact: `manifest`, `contents`.
    pub fn beside(&self, built: &Value, what: &str) -> Value {
        let artifact = built["artifact"].as_str().unwrap();
        serde_json::from_slice(&fs::read(format!("{artifact}.{what}.json")).unwrap()).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
