//! `cargo xtask bench images`: cold, warm and unchanged builds of the two usual
//! guests beside what others need for the same packages, in one run.

use super::measure::{self, Cost, median};
use super::peers::{self, Peers};
use crate::failure::Failure;
use crate::project::Project;
use crate::tools;
use crate::verbs::build_agent;
use anyhow::Context;
use osbuilder::Manifest;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracing::info;

/// Runs of ours and of a peer; the median counts. Cold ones run once.
const RUNS: usize = 5;
const PEER_RUNS: usize = 3;

/// One line of the table.
struct Row {
    name: String,
    cost: Cost,
    /// Bytes of what came out, where it is one file.
    bytes: Option<u64>,
}

pub(super) fn run(project: &Project) -> Result<(String, Value), Failure> {
    tools::require(project, "bench")?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let ours = Ours::new(project, folder.path())?;
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    let artifact = ours.all("debian", "image", &mut rows)?;
    let manifest = manifest(&artifact)?;
    if project.mirror_record("alpine").exists() {
        ours.all("alpine", "initrd", &mut rows)?;
        ours.beside_cpio(&mut rows)?;
    } else {
        notes.push("alpine: no mirror is on record (`cargo xtask mirror alpine`)".to_owned());
    }
    let peers = Peers::new(&manifest, folder.path());
    let disk = peers.disk();
    peer("mmdebstrap + mke2fs", || peers.mmdebstrap(), Some(&disk), &mut rows, &mut notes);
    peer("mkosi, a folder", || peers.mkosi(), None, &mut rows, &mut notes);
    Ok((text(&rows, &notes), json(&rows, &notes)))
}

/// Our own builds, each a process as a user starts it.
struct Ours<'a> {
    project: &'a Project,
    folder: &'a Path,
    agent: PathBuf,
}

impl<'a> Ours<'a> {
    fn new(project: &'a Project, folder: &'a Path) -> Result<Self, Failure> {
        let agent = folder.join("agent");
        let built = build_agent::build(project, std::env::consts::ARCH)?;
        fs::write(&agent, built.binary).context("the agent can't be written")?;
        Ok(Self { project, folder, agent })
    }

    /// Cold, warm and unchanged; gives the artifact.
    fn all(&self, distro: &str, kind: &str, rows: &mut Vec<Row>) -> anyhow::Result<PathBuf> {
        let out = self.folder.join(format!("out-{distro}"));
        info!("{distro} {kind}, cold");
        let cold = measure::run(&mut self.build(distro, kind, &out)?)?;
        let artifact = artifact(&out)?;
        let bytes = Some(fs::metadata(&artifact)?.len());
        rows.push(Row { name: format!("{distro} {kind}, cold"), cost: cold, bytes });
        info!("{distro} {kind}, warm and unchanged");
        let (mut warm, mut unchanged) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            fs::remove_dir_all(&out)?;
            warm.push(measure::run(&mut self.build(distro, kind, &out)?)?);
            unchanged.push(measure::run(&mut self.build(distro, kind, &out)?)?);
        }
        for (word, costs) in [("warm", warm), ("unchanged", unchanged)] {
            let cost = median(costs).context("no run")?;
            rows.push(Row { name: format!("{distro} {kind}, {word}"), cost, bytes });
        }
        Ok(artifact)
    }

    /// The last step of others' initrds, over the same files, beside a whole build
    /// of ours with the same compression.
    fn beside_cpio(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        info!("cpio and gzip");
        let out = self.folder.join("out-gzip");
        let mut warm = Vec::new();
        for _ in 0..RUNS {
            let _ = fs::remove_dir_all(&out);
            let mut build = self.build("alpine", "initrd", &out)?;
            warm.push(measure::run(build.args(["--compression", "gzip"]))?);
        }
        let artifact = artifact(&out)?;
        let cost = median(warm).context("no run")?;
        let bytes = Some(fs::metadata(&artifact)?.len());
        rows.push(Row { name: "alpine initrd, gzip, warm".into(), cost, bytes });
        let peer = peers::CpioStep::unpacked(&artifact, &self.folder.join("cpio"))?;
        let runs = (0..RUNS).map(|_| measure::run(&mut peer.command()));
        let cost = median(runs.collect::<Result<_, _>>()?).context("no run")?;
        let bytes = Some(fs::metadata(peer.out())?.len());
        rows.push(Row { name: "find | cpio | gzip -9".into(), cost, bytes });
        Ok(())
    }

    fn build(&self, distro: &str, kind: &str, out: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--quiet", "build-image", "--distro", distro, "--type", kind]);
        command.arg("--agent").arg(&self.agent).arg("--out").arg(out);
        command.env("KATA_STORE", self.folder.join("store")).current_dir(self.project.root());
        Ok(command)
    }
}

/// A peer with empty caches and with filled ones. One that does not work here is
/// no reason to lose the other figures.
fn peer(
    name: &str,
    command: impl Fn() -> anyhow::Result<Command>,
    out: Option<&Path>,
    rows: &mut Vec<Row>,
    notes: &mut Vec<String>,
) {
    let mut all = || -> anyhow::Result<()> {
        info!("{name}, cold");
        let mut add = |word: &str, cost| -> anyhow::Result<()> {
            // Blocks, not length: mke2fs leaves holes where nothing is.
            let bytes = out.map(fs::metadata).transpose()?;
            let bytes = bytes.map(|file| std::os::unix::fs::MetadataExt::blocks(&file) * 512);
            rows.push(Row { name: format!("{name}, {word}"), cost, bytes });
            Ok(())
        };
        add("cold", measure::run(&mut command()?)?)?;
        info!("{name}, warm");
        let runs = (0..PEER_RUNS).map(|_| measure::run(&mut command()?));
        add("warm", median(runs.collect::<Result<_, _>>()?).context("no run")?)
    };
    if let Err(error) = all() {
        notes.push(format!("{name}: does not work here: {error:#}"));
    }
}

fn artifact(out: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(out)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths = entries.into_iter().map(|entry| entry.path());
    let is_artifact = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "img" || extension == "initrd")
    };
    paths.find(is_artifact).context("the build left no artifact")
}

fn manifest(artifact: &Path) -> anyhow::Result<Manifest> {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".manifest.json");
    Ok(serde_json::from_slice(&fs::read(name)?)?)
}

fn text(rows: &[Row], notes: &[String]) -> String {
    let mut out =
        String::from("                                wall      CPU   peak MiB      MiB\n");
    for Row { name, cost, bytes } in rows {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let size = bytes.map_or_else(String::new, |bytes| format!("{:8.1}", mib(bytes)));
        writeln!(
            out,
            "{name:<26}{:8.2} s {:6.2} s {:10.0} {size}",
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            mib(cost.peak)
        )
        .expect("a String takes everything");
    }
    let wall = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.cost.wall);
    for peer in ["mmdebstrap + mke2fs", "mkosi, a folder"] {
        for word in ["cold", "warm"] {
            let (ours, theirs) =
                (wall(&format!("debian image, {word}")), wall(&format!("{peer}, {word}")));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
                writeln!(out, "{word}: ours is {ratio:.1} times faster than {peer}")
                    .expect("a String takes everything");
            }
        }
    }
    for note in notes {
        out += note;
        out.push('\n');
    }
    out
}

fn json(rows: &[Row], notes: &[String]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|Row { name, cost, bytes }| {
            json!({
                "name": name,
                "wall": cost.wall.as_secs_f64(),
                "cpu": cost.cpu.as_secs_f64(),
                "peak": cost.peak,
                "bytes": bytes,
            })
        })
        .collect();
    json!({"rows": rows, "notes": notes})
}
