//! One comparison: a bundle that is made anew for each runtime, in the same place, and
//! what both runs show.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bundle::{self, chmod, make_rootfs, rootfs_of};
use crate::runtimes::{Name, Which, prefix};

/// What a run shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub code: i32,
    pub output: String,
    /// The runtime's own words, which need not be equal.
    pub errors: String,
}

/// Prepares a new root filesystem.
type Prepare = Box<dyn Fn(&Path)>;
/// Takes out of an output what differs by nature.
type Normal = Box<dyn Fn(&str) -> String>;

/// A bundle in the making.
pub struct Case {
    folder: TempDir,
    pub config: Value,
    prepare: Vec<Prepare>,
    normal: Vec<Normal>,
}

impl Case {
    /// A container that runs a script.
    pub fn sh(script: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&prefix()).tempdir().unwrap();
        // Mapped users must be able to pass.
        chmod(folder.path(), 0o755);
        Self { folder, config: bundle::config(script), prepare: Vec::new(), normal: Vec::new() }
    }

    /// The bundle's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the bundle, as a text for the config.
    pub fn path(&self, name: &str) -> String {
        self.folder().join(name).to_str().unwrap().to_owned()
    }

    /// Sets a part of the config by its JSON pointer; `-` adds to a list.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        bundle::set(&mut self.config, pointer, value);
        self
    }

    pub fn remove(mut self, pointer: &str) -> Self {
        bundle::remove(&mut self.config, pointer);
        self
    }

    /// One more mount.
    pub fn mount(self, destination: &str, kind: &str, source: &str, options: &[&str]) -> Self {
        let mount = json!({"destination": destination, "type": kind, "source": source,
            "options": options});
        self.set("/mounts/-", mount)
    }

    /// All capabilities of the spec's five sets.
    pub fn capable(self, names: &[&str]) -> Self {
        ["bounding", "effective", "permitted", "inheritable", "ambient"]
            .iter()
            .fold(self, |case, set| case.set(&format!("/process/capabilities/{set}"), json!(names)))
    }

    /// Whether the root filesystem may be written.
    pub fn writable(self) -> Self {
        self.set("/root/readonly", json!(false))
    }

    /// Changes each new root filesystem.
    pub fn with(mut self, prepare: impl Fn(&Path) + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    /// Takes out of both outputs what differs by nature.
    pub fn normal(mut self, normal: impl Fn(&str) -> String + 'static) -> Self {
        self.normal.push(Box::new(normal));
        self
    }

    /// Makes the bundle anew.
    pub fn make(&self) -> PathBuf {
        let rootfs = rootfs_of(self.folder());
        make_rootfs(&rootfs);
        for prepare in &self.prepare {
            prepare(&rootfs);
        }
        let text = serde_json::to_string_pretty(&self.config).unwrap();
        fs::write(self.folder().join("config.json"), text).unwrap();
        self.folder().to_owned()
    }

    /// Runs it under one runtime.
    pub fn run(&self, which: Which) -> Seen {
        let bundle = self.make();
        let output = Name::new(which, self.folder()).run(&bundle);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Seen {
            code: output.status.code().unwrap_or(-1),
            output: self.normalised(&text),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn normalised(&self, text: &str) -> String {
        self.normal.iter().fold(text.to_owned(), |text, normal| normal(&text))
    }

    /// runc's output has all `expected` texts, and ours is the same.
    pub fn shows(&self, expected: &[&str]) -> Seen {
        let theirs = self.run(Which::Runc);
        self.is_ours(&theirs, expected)
    }

    /// The same for a program that ends with a code.
    pub fn ends_with(&self, code: i32, expected: &[&str]) -> Seen {
        let theirs = self.run(Which::Runc);
        assert_eq!(theirs.code, code, "runc: {}\n{}", theirs.errors, theirs.output);
        self.is_ours(&theirs, expected)
    }

    fn is_ours(&self, theirs: &Seen, expected: &[&str]) -> Seen {
        assert!(!theirs.errors.contains("level=error"), "runc: {}", theirs.errors);
        for text in expected {
            assert!(theirs.output.contains(text), "runc shows no {text:?}:\n{}", theirs.output);
        }
        let ours = self.run(Which::Ours);
        let differences = differences(&ours.output, &theirs.output);
        assert!(differences.is_empty(), "ours says {:?}\n{differences}", ours.errors);
        assert_eq!(ours.code, theirs.code, "ours says {:?}", ours.errors);
        ours
    }

    /// Neither makes a container of it, each for its reason.
    pub fn is_refused(&self, theirs: &str, ours: &str) {
        let seen = self.run(Which::Runc);
        assert!(seen.code != 0 && seen.errors.contains(theirs), "runc: {seen:?}");
        self.is_refused_by_us(ours);
    }

    /// We make no container of it.
    pub fn is_refused_by_us(&self, reason: &str) {
        let seen = self.run(Which::Ours);
        assert_eq!(seen.code, 255, "ours: {seen:?}");
        assert!(seen.errors.contains(reason), "ours: {seen:?}");
        assert_eq!(seen.output, "", "nothing ran");
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // What a test, or a runtime that failed, has mounted would keep the folder.
        for name in ["source", "rootfs"] {
            let _ =
                nix::mount::umount2(&self.folder().join(name), nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// The lines that only one of two texts has, or all when only the order differs.
fn differences(ours: &str, theirs: &str) -> String {
    if ours == theirs {
        return String::new();
    }
    let only = |mark: &str, one: &str, other: &str| {
        let lines = one.lines().filter(|line| !other.lines().any(|there| there == *line));
        lines.map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    let found = only("ours:", ours, theirs) + &only("runc:", theirs, ours);
    if found.is_empty() { format!("ours:\n{ours}\nrunc:\n{theirs}") } else { found }
}
