//! A workshop for real rpm packages and repositories, with Debian's rpmbuild,
//! rpmsign, createrepo_c and gpg. It needs nothing of this crate, so that the
//! tests of other crates can take this file in by its path.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test crate that takes this file in uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder in which packages are built, and the keys that sign them.
pub struct Workshop {
    folder: PathBuf,
    /// gpg wants a short path for its socket.
    home: tempfile::TempDir,
}

/// How packages are built.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// rpm's word for the architecture.
    pub architecture: &'a str,
    /// How the payload is packed, such as `w9.gzdio` or `w3.zstdio`.
    pub payload: &'a str,
    /// Further macros: name and value.
    pub macros: &'a [(&'a str, &'a str)],
}

impl Default for Build<'_> {
    fn default() -> Self {
        Self { architecture: "x86_64", payload: "w6.gzdio", macros: &[] }
    }
}

impl Workshop {
    /// A workshop in a folder of its own below `folder`, which must be there.
    pub fn new(folder: &Path) -> Self {
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        let folder = folder.join("workshop");
        fs::create_dir_all(&folder).unwrap();
        Self { folder, home }
    }

    /// Makes a key (`rsa2048` or `ed25519`) that expires as gpg is told (`never`,
    /// `1y`); gives its public part. `made` is gpg's word for a moment in the past.
    pub fn key(&self, name: &str, kind: &str, expires: &str, made: Option<&str>) -> Vec<u8> {
        let mut gpg = self.gpg();
        if let Some(moment) = made {
            gpg.args(["--faked-system-time", moment]);
        }
        run(gpg.args(["--quick-gen-key", name, kind, "sign", expires]));
        run(self.gpg().args(["--export", name])).stdout
    }

    /// Builds the binary packages that a spec file describes, without any of the
    /// scripts that a distribution would run over their files.
    pub fn build(&self, spec: &str, build: Build<'_>) -> Vec<PathBuf> {
        let top = tempfile::tempdir_in(&self.folder).unwrap().keep();
        let file = top.join("package.spec");
        fs::write(&file, spec).unwrap();
        let mut rpmbuild = Command::new("rpmbuild");
        rpmbuild.args(["-bb", "--quiet", "--nodeps", "--target", build.architecture]);
        let topdir = top.display().to_string();
        let fixed = [
            ("_topdir", topdir.as_str()),
            ("_binary_payload", build.payload),
            ("__os_install_post", "%{nil}"),
            ("debug_package", "%{nil}"),
            ("_build_id_links", "none"),
            ("_buildhost", "localhost"),
            ("source_date_epoch_from_changelog", "0"),
        ];
        for (name, value) in fixed.iter().chain(build.macros) {
            rpmbuild.args(["--define", &format!("{name} {value}")]);
        }
        run(rpmbuild.arg(&file).env("HOME", &top));
        let mut found = Vec::new();
        for folder in fs::read_dir(top.join("RPMS")).unwrap() {
            let files = fs::read_dir(folder.unwrap().path()).unwrap();
            found.extend(files.map(|file| file.unwrap().path()));
        }
        found.sort();
        found
    }

    /// Signs packages with the key of a name.
    pub fn sign(&self, packages: &[PathBuf], key: &str) {
        let home = self.home.path().display().to_string();
        let mut rpmsign = Command::new("rpmsign");
        rpmsign.arg("--addsign").env("GNUPGHOME", &home);
        for (name, value) in [("_gpg_name", key), ("_gpg_path", &home), ("__gpg", "/usr/bin/gpg")] {
            rpmsign.args(["--define", &format!("{name} {value}")]);
        }
        run(rpmsign.args(packages));
    }

    /// Makes `folder` a repository of these packages; `options` are createrepo_c's.
    pub fn index(&self, folder: &Path, packages: &[PathBuf], options: &[&str]) {
        let pool = folder.join("Packages");
        fs::create_dir_all(&pool).unwrap();
        for package in packages {
            fs::copy(package, pool.join(package.file_name().unwrap())).unwrap();
        }
        run(Command::new("createrepo_c").arg("--quiet").args(options).arg(folder));
    }

    /// Signs the repomd.xml of a repository.
    pub fn sign_index(&self, folder: &Path, key: &str) {
        let repomd = folder.join("repodata/repomd.xml");
        let mut gpg = self.gpg();
        gpg.args(["--yes", "--local-user", key, "--armor", "--detach-sign"]).arg(repomd);
        run(&mut gpg);
    }

    /// Signs a file beside itself at a moment in the past, in gpg's spelling.
    pub fn sign_in_the_past(&self, file: &Path, key: &str, moment: &str) {
        let mut gpg = self.gpg();
        gpg.args(["--faked-system-time", moment, "--local-user", key, "--armor"]);
        run(gpg.arg("--detach-sign").arg(file));
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--quiet", "--batch", "--no-tty", "--passphrase", ""]);
        gpg.env("GNUPGHOME", self.home.path());
        gpg
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // gpg leaves an agent behind, which this asks to go.
        let mut gpgconf = Command::new("gpgconf");
        let _ = gpgconf.args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).output();
    }
}

/// Runs a tool to its end.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{command:?} can't be run ({error}); the tests need the Debian packages rpm, \
             rpm2cpio, createrepo-c, gpg and cpio"
        )
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    output
}
