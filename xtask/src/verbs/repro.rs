//! `cargo xtask repro`: builds everything twice under circumstances as
//! different as this machine allows (folder, filesystem and the order in which it
//! lists folders, user, umask, clock, time zone, locale, number of processors and
//! threads) and compares the bytes.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Repro;
use crate::interrupt::Folder;
use crate::project::Project;
use crate::tools;
use crate::verbs::build_agent;
use crate::verbs::diff::side;
use anyhow::{Context, anyhow, bail};
use osbuilder::LocalMirror;
use osbuilder::diff::bytes::first_difference;
use osbuilder::diff::diff;
use osbuilder::explain::Beside;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracing::{info, warn};
use url::Url;

/// A number that no file needs and every system has: `nobody`.
const NOBODY: &str = "65534";
/// How far the second circumstance's clock is ahead, as faketime reads it.
const AHEAD: &str = "+40d";
/// A filesystem in memory, which lists folders in an order of its own.
const MEMORY: &str = "/dev/shm";

/// The words behind `--type` of every form that has a writer of its own.
const FORMS: [&[&str]; 4] =
    [&["image"], &["image", "--format", "erofs", "--compression", "lz4hc"], &["initrd"], &["tar"]];

pub(crate) fn run(project: &Project, args: &Repro) -> Result<Outcome, Failure> {
    tools::require(project, "repro")?;
    let base = Folder::new("kata-repro-").context("no temporary folder")?;
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755))?;
    let mut compared = Vec::new();
    if args.agent {
        compared.push(("agent".to_owned(), agents(project, base.path())?));
    }
    let first = Circumstance::new(project, base.path(), "one", false)?;
    let memory = match Folder::new_in("kata-repro-", Path::new(MEMORY)) {
        Ok(folder) => Some(folder),
        Err(error) => {
            warn!("{MEMORY} can't be used ({error}): folders are listed alike in both builds");
            None
        }
    };
    let other = memory.as_ref().map_or(base.path(), Folder::path);
    fs::set_permissions(other, fs::Permissions::from_mode(0o755))?;
    let second = Circumstance::new(project, other, "two/somewhere else/entirely", true)?;
    let mut where_different = Vec::new();
    for distro in distros(project, args)? {
        for form in FORMS {
            let kind = form.join(" ").replace("--", "");
            let [one, two] = [first.image(&distro, form)?, second.image(&distro, form)?];
            let digests = [one.sha256()?, two.sha256()?];
            where_different.extend(one.differences(&two)?);
            compared.push((format!("{distro} {kind}"), digests));
        }
    }
    if args.kernel {
        // The kernel's makefiles take no folder with a space in its name.
        let third = Circumstance::new(project, base.path(), "a/third", true)?;
        compared.push(("kernel config".to_owned(), [first.config()?, third.config()?]));
    }
    let mut text = String::new();
    let mut all_equal = where_different.is_empty();
    for (name, [one, two]) in &compared {
        if one == two {
            text += &format!("{name}: same, sha256 {one}\n");
        } else {
            text += &format!("{name}: DIFFERENT, sha256 {one} and {two}\n");
            all_equal = false;
        }
    }
    if !all_equal {
        let places = where_different.join("\n");
        return Err(anyhow!("not reproducible\n{}\n{places}", text.trim_end()).into());
    }
    let json: serde_json::Map<_, _> =
        compared.iter().map(|(name, digests)| (name.clone(), digests[0].clone().into())).collect();
    Ok(Outcome { text, json: json.into() })
}

/// A copy of what a build reads, in a folder of its own, and how to run there.
struct Circumstance {
    root: PathBuf,
    other: bool,
}

impl Circumstance {
    fn new(project: &Project, base: &Path, name: &str, other: bool) -> anyhow::Result<Self> {
        let root = base.join(name);
        for folder in ["recipes", "kernel"] {
            copy(&project.root().join(folder), &root.join(folder))?;
        }
        fs::copy(project.root().join("versions.yaml"), root.join("versions.yaml"))?;
        fs::copy(std::env::current_exe()?, root.join("xtask"))?;
        let agent = build_agent::build(project, std::env::consts::ARCH)
            .map_err(|f| anyhow!("{}", f.render(false)))?;
        fs::write(root.join("agent-binary"), &agent.binary)?;
        if let Ok(text) = fs::read(project.mirror_record("alpine")) {
            copy_mirror(project, &root, &serde_json::from_slice(&text)?)?;
        }
        if other && nix::unistd::geteuid().is_root() {
            give_away(&root)?;
        }
        Ok(Self { root, other })
    }

    /// xtask with `words`, as this circumstance runs it; its JSON answer.
    fn xtask(&self, words: &[&str]) -> anyhow::Result<serde_json::Value> {
        let program = self.root.join("xtask");
        let mut command = if self.other {
            let mut command = Command::new("sh");
            // Positional parameters, so that no path is read as shell text.
            let script = "umask 077; exec \"$@\"";
            command.args(["-c", script, "sh"]);
            if nix::unistd::geteuid().is_root() {
                command.args(["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
            }
            command.args(["taskset", "--cpu-list", "0", "faketime", "-f", AHEAD]);
            command.arg(program);
            command.envs([
                ("TZ", "Pacific/Kiritimati"),
                ("LC_ALL", "tr_TR.UTF-8"),
                ("RAYON_NUM_THREADS", "1"),
            ]);
            command
        } else {
            Command::new(program)
        };
        if self.other {
            // Nothing of the invoking user may be needed, nor what he fetched.
            command.env("HOME", &self.root).env("KATA_STORE", self.root.join("store"));
        }
        let output = command
            .args(["--json", "--quiet"])
            .args(words)
            .current_dir(&self.root)
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("xtask can't be started again")?;
        if !output.status.success() {
            bail!("{} failed in {}", words.join(" "), self.root.display());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn image(&self, distro: &str, form: &[&str]) -> anyhow::Result<Artifact> {
        info!("{distro} {} in {}", form.join(" "), self.root.display());
        let words = ["build-image", "--distro", distro, "--agent", "agent-binary", "--type"];
        let answer = self.xtask(&[&words[..], form].concat())?;
        Ok(Artifact(answer["artifact"].as_str().context("no artifact")?.into()))
    }

    fn config(&self) -> anyhow::Result<String> {
        info!("kernel config in {}", self.root.display());
        let answer = self.xtask(&["build-kernel", "--config-only"])?;
        let (digest, _) =
            osbuilder::digest_file(Path::new(answer["config"].as_str().context("no config")?))?;
        Ok(hex::encode(digest))
    }
}

/// What is compared: what was asked for, else everything that can be built here.
fn distros(project: &Project, args: &Repro) -> Result<Vec<String>, Failure> {
    if !args.distro.is_empty() {
        for distro in &args.distro {
            osbuilder::RecipeFolder::load(&project.recipes(), distro)?;
        }
        return Ok(args.distro.clone());
    }
    let mut distros = vec!["debian".to_owned()];
    if project.mirror_record("alpine").exists() {
        distros.push("alpine".to_owned());
    } else {
        warn!("no Alpine mirror is on record: alpine is left out (`cargo xtask mirror alpine`)");
    }
    Ok(distros)
}

/// A built artifact, with what stands beside it.
struct Artifact(PathBuf);

impl Artifact {
    /// What has to be equal byte for byte. The manifest does not: it also says
    /// which mirror answered.
    const ENDINGS: [&str; 4] = ["", ".contents.json", ".spdx.json", ".provenance.json"];

    fn sha256(&self) -> anyhow::Result<String> {
        Ok(hex::encode(osbuilder::digest_file(&self.0)?.0))
    }

    fn file(&self, ending: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(ending);
        name.into()
    }

    /// Every file of it that differs from the other's, and where: the offset,
    /// and of the artifact itself also the guest's files and their fields.
    fn differences(&self, other: &Self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for ending in Self::ENDINGS {
            let (one, two) = (self.file(ending), other.file(ending));
            let Some(place) = first_difference(&one, &two)? else { continue };
            let name = one.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push(format!("{name}: {place}"));
            if ending.is_empty() {
                let (one, two) = (Beside::read(&self.0)?, Beside::read(&other.0)?);
                found.push(diff(side(&one), side(&two)).to_text(20));
            }
        }
        Ok(found)
    }
}

/// A mirror of the circumstance's own, with the same packages, on its own record.
fn copy_mirror(project: &Project, root: &Path, known: &LocalMirror) -> anyhow::Result<()> {
    let mirrors = root.join("target/mirror");
    let folder = mirrors.join("alpine");
    copy(&project.target().join("mirror/alpine"), &folder)?;
    let key = known.key.file_name().context("the recorded mirror has no key")?;
    let url = Url::from_directory_path(&folder)
        .map_err(|()| anyhow!("{} can't be a URL", folder.display()))?;
    let record = LocalMirror {
        url: url.to_string(),
        key: folder.join("keys").join(key),
        made_from: known.made_from.clone(),
    };
    fs::write(mirrors.join("alpine.json"), serde_json::to_vec(&record)?)?;
    Ok(())
}

/// The agent as compiled here and as compiled in another folder.
fn agents(project: &Project, base: &Path) -> anyhow::Result<[String; 2]> {
    let here = build_agent::build(project, std::env::consts::ARCH)
        .map_err(|f| anyhow!("{}", f.render(false)))?;
    let root = base.join("compiled elsewhere");
    fs::create_dir_all(&root)?;
    for folder in ["agent", "osbuilder", "kernel", "runtime", "xtask", "recipes", ".cargo"] {
        copy(&project.root().join(folder), &root.join(folder))?;
    }
    for file in ["Cargo.toml", "Cargo.lock", "versions.yaml"] {
        fs::copy(project.root().join(file), root.join(file))?;
    }
    info!("compiling the agent in {}", root.display());
    let output = Command::new(std::env::current_exe()?)
        .args(["--json", "--quiet", "build-agent"])
        .current_dir(&root)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the agent does not compile in {}", root.display());
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let there = answer["sha256"].as_str().context("no digest")?.to_owned();
    Ok([hex::encode(here.sha256), there])
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    let entries = fs::read_dir(from).with_context(|| from.display().to_string())?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    // Made in an order that the original was not, where that decides the listing.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                copy(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Makes everything below `folder` nobody's.
fn give_away(folder: &Path) -> anyhow::Result<()> {
    let nobody: u32 = NOBODY.parse()?;
    std::os::unix::fs::chown(folder, Some(nobody), Some(nobody))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_away(&entry.path())?;
        } else {
            std::os::unix::fs::chown(entry.path(), Some(nobody), Some(nobody))?;
        }
    }
    Ok(())
}
