//! The peers: what others use to make a root filesystem of the same packages.
//! Each is one command, with its caches in a folder of its own.

use super::measure;
use anyhow::Context;
use osbuilder::Manifest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What our recipes leave out, peers leave out too.
const LEFT_OUT: &str = "usr/share/doc usr/share/man usr/share/locale var/cache var/lib/apt";

/// The packages of one of our images, for somebody else to install.
pub(super) struct Peers {
    packages: Vec<String>,
    suite: String,
    mirror: String,
    folder: PathBuf,
}

impl Peers {
    pub(super) fn new(manifest: &Manifest, folder: &Path) -> Self {
        Self {
            packages: manifest.packages.iter().map(|p| p.name.clone()).collect(),
            suite: manifest.version.clone(),
            mirror: manifest.mirror.url.clone(),
            folder: folder.to_owned(),
        }
    }

    /// Where the first one's disk image is.
    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("peer.img")
    }

    /// mmdebstrap, which runs no maintainer scripts either, then mke2fs. Packages
    /// that it fetched once come out of a folder.
    pub(super) fn mmdebstrap(&self) -> anyhow::Result<Command> {
        let cache = self.folder.join("peer-cache");
        fs::create_dir_all(&cache).context("no folder for the peer's packages")?;
        let script = r#"
            set -e
            rm -rf "$root" "$disk"
            mmdebstrap --quiet --variant=extract --skip=download/empty --skip=cleanup/apt \
                --include="$packages" \
                --setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp -n "$cache"/*.deb "$1/var/cache/apt/archives/" 2>/dev/null || true' \
                --customize-hook='cp -n "$1"/var/cache/apt/archives/*.deb "$cache"/ || true' \
                "$suite" "$root" "$mirror"
            for path in $left_out; do rm -rf "$root/$path"; done
            mke2fs -q -t ext4 -d "$root" "$disk" 512M"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.env("root", self.folder.join("peer-root")).env("disk", self.disk());
        command.env("cache", &cache).env("left_out", LEFT_OUT);
        command.env("packages", self.packages.join(","));
        command.env("suite", &self.suite).env("mirror", &self.mirror);
        Ok(command)
    }

    /// mkosi of the same release, with the same packages (it does run their
    /// scripts), into a folder: no partition table, no filesystem.
    pub(super) fn mkosi(&self) -> anyhow::Result<Command> {
        let home = self.folder.join("mkosi");
        fs::create_dir_all(&home).context("no folder for mkosi")?;
        let program = home.join("program");
        if !program.exists() {
            let mut fetch = Command::new("mmdebstrap");
            fetch.args(["--quiet", "--variant=extract", "--include=mkosi", &self.suite]);
            measure::run(fetch.arg(&program).arg(&self.mirror))?;
        }
        let sources = home.join("sandbox/etc/apt/sources.list.d");
        fs::create_dir_all(&sources).context("no folder for mkosi")?;
        // In place of its own list, which also names archives of debug symbols.
        let list = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
            self.mirror, self.suite
        );
        fs::write(sources.join("mkosi.sources"), list)?;
        let mut command = Command::new("python3");
        command.args(["-m", "mkosi", "--force", "-d", "debian", "-r", &self.suite]);
        command.args(["-t", "directory", "--mirror", &self.mirror]);
        command.arg("--sandbox-tree").arg(home.join("sandbox"));
        command.arg("--package-cache-dir").arg(home.join("packages"));
        command.arg("--output-directory").arg(home.join("out"));
        command.arg("-p").arg(self.packages.join(",")).arg("build");
        command.env("PYTHONPATH", program.join("usr/lib/python3/dist-packages"));
        fs::create_dir_all(home.join("packages"))?;
        command.current_dir(&home);
        Ok(command)
    }
}

/// What others do last: a folder that is whole already becomes an initrd.
pub(super) struct CpioStep {
    folder: PathBuf,
}

impl CpioStep {
    /// With the files of an initrd of ours that is compressed with gzip.
    pub(super) fn unpacked(initrd: &Path, folder: &Path) -> anyhow::Result<Self> {
        let root = folder.join("root");
        fs::create_dir_all(&root).context("no folder for the peer's files")?;
        let mut unpack = Command::new("sh");
        unpack.args(["-c", r#"gzip -dc "$initrd" | cpio --quiet -idm"#]);
        measure::run(unpack.env("initrd", initrd).current_dir(&root))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where its initrd is.
    pub(super) fn out(&self) -> PathBuf {
        self.folder.join("peer.initrd")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"find . | cpio --quiet -H newc -o | gzip -9 > "$out""#]);
        command.env("out", self.out()).current_dir(self.folder.join("root"));
        command
    }
}
