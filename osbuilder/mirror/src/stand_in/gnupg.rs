//! A key that is made for one run: gpg keeps it in a temporary folder, which
//! goes with it. It signs what mirrors sign and knows nothing of packages.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::programs::{place_of, run};
use crate::error::MirrorError;

const NAME: &str = "Stand-in <stand-in@example.org>";

/// A key pair in a folder of its own.
pub(super) struct ThrowAwayKey {
    /// In the system's folder: the path of the agent's socket has to be short.
    folder: TempDir,
}

impl ThrowAwayKey {
    /// Makes a key.
    pub(super) fn generate() -> Result<Self, MirrorError> {
        let folder = tempfile::tempdir().map_err(MirrorError::io(&std::env::temp_dir()))?;
        let key = Self { folder };
        let home = key.home();
        fs::DirBuilder::new().mode(0o700).create(&home).map_err(MirrorError::io(&home))?;
        key.gpg(["--quick-generate-key", NAME, "rsa3072", "sign", "never"])?;
        Ok(key)
    }

    /// GNUPGHOME.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("gnupg")
    }

    fn gpg<A: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, MirrorError> {
        let always =
            ["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
        let all = always.into_iter().map(OsString::from);
        run("gpg", all.chain(arguments.into_iter().map(Into::into)), &self.home())
    }

    /// Writes the public half, armored.
    pub(super) fn export(&self, path: &Path) -> Result<(), MirrorError> {
        let public = self.gpg(["--armor", "--export"])?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(MirrorError::io(parent))?;
        }
        fs::write(path, public).map_err(MirrorError::io(path))
    }

    /// Signs `path` into `path.asc`.
    pub(super) fn sign_beside(&self, path: &Path) -> Result<(), MirrorError> {
        let words = ["--armor", "--detach-sign"].map(OsString::from);
        self.gpg(words.into_iter().chain([path.into()])).map(|_| ())
    }

    /// The text of `path` in its frame with a signature.
    pub(super) fn clear_sign(&self, path: &Path) -> Result<Vec<u8>, MirrorError> {
        let words = ["--clearsign", "--output", "-"].map(OsString::from);
        self.gpg(words.into_iter().chain([path.into()]))
    }

    /// Signs packages where they lie.
    pub(super) fn sign_packages(&self, packages: &[PathBuf]) -> Result<(), MirrorError> {
        // rpm would call gpg by the name that it had on another distro.
        let program = format!("__gpg {}", place_of("gpg")?.display());
        let name = format!("_gpg_name {NAME}");
        let words = ["--define", &name, "--define", &program, "--addsign"].map(OsString::from);
        let all = words.into_iter().chain(packages.iter().map(|path| path.as_os_str().to_owned()));
        run("rpmsign", all, &self.home()).map(|_| ())
    }
}

impl Drop for ThrowAwayKey {
    fn drop(&mut self) {
        // The agent that gpg started ends by itself once its folder is gone;
        // this only makes it sooner.
        let _ = run("gpgconf", ["--kill", "gpg-agent"], &self.home());
    }
}
