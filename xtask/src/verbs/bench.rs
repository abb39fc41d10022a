//! `cargo xtask bench`: ours beside the peer's, in the same run, on the same
//! packages. It prints figures and asserts none: machines differ.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Bench, BenchKind, BuildImage, Flags};
use crate::progress::Bars;
use crate::project::Project;
use crate::tools;
use crate::verbs::{build_agent, build_image};
use anyhow::{Context, bail};
use osbuilder::{BuildRequest, Manifest, MirrorChoice};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tracing::info;

/// Runs of ours and of the peer; the median counts.
const RUNS: usize = 5;
const PEER_RUNS: usize = 3;

pub(crate) fn run(project: &Project, flags: &Flags, args: &Bench) -> Result<Outcome, Failure> {
    let all = [BenchKind::Image, BenchKind::Unchanged];
    let what = if args.what.is_empty() { &all[..] } else { &args.what[..] };
    let mut text = String::new();
    let mut json = serde_json::Map::new();
    for kind in what {
        match kind {
            BenchKind::Image => {
                tools::require(project, "bench")?;
                let (ours, peer) = image(project, flags)?;
                let ratio = peer.as_secs_f64() / ours.as_secs_f64();
                text += &format!(
                    "warm Debian image: {:.2} s; mmdebstrap and mke2fs of the same packages: {:.2} s; {ratio:.1} times faster\n",
                    ours.as_secs_f64(),
                    peer.as_secs_f64(),
                );
                json.insert(
                    "image".into(),
                    serde_json::json!({
                        "ours": ours.as_secs_f64(), "peer": peer.as_secs_f64(), "ratio": ratio,
                    }),
                );
            }
            BenchKind::Unchanged => {
                let time = unchanged(project)?;
                text += &format!("nothing changed, cargo included: {:.2} s\n", time.as_secs_f64());
                json.insert("unchanged".into(), time.as_secs_f64().into());
            }
        }
    }
    Ok(Outcome { text, json: json.into() })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn debian() -> BuildImage {
    BuildImage { distro: Some("debian".into()), ..BuildImage::usual() }
}

fn image(project: &Project, flags: &Flags) -> Result<(Duration, Duration), Failure> {
    let built = build_image::build(project, flags.quiet, &debian())?;
    let agent = build_agent::build(project, std::env::consts::ARCH)?;
    let store = project.store(false)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        // A folder of its own, in which nothing is unchanged yet.
        let out = folder.path().join(run.to_string());
        let clock = Instant::now();
        let request = BuildRequest {
            recipes: &project.recipes(),
            distro: "debian",
            r#type: None,
            init: None,
            variant: None,
            architecture: std::env::consts::ARCH,
            mirrors: MirrorChoice { host_root: PathBuf::from("/"), ..MirrorChoice::default() },
            agent: &agent,
            out: &out,
            update: false,
            locked: true,
            locks: None,
            versions: None,
            verity: false,
            cyclonedx: false,
        };
        osbuilder::build(&request, &store, &Bars::new(true))?;
        times.push(clock.elapsed());
    }
    let peer = Peer::new(&built.manifest, folder.path());
    // The first run fills its package cache and does not count.
    peer.run()?;
    let mut peer_times = Vec::new();
    for _ in 0..PEER_RUNS {
        let clock = Instant::now();
        peer.run()?;
        peer_times.push(clock.elapsed());
    }
    Ok((median(times), median(peer_times)))
}

/// mmdebstrap and mke2fs, with the same packages out of a local cache, no
/// maintainer scripts either.
struct Peer {
    packages: String,
    suite: String,
    mirror: String,
    folder: PathBuf,
}

impl Peer {
    fn new(manifest: &Manifest, folder: &Path) -> Self {
        let names: Vec<_> =
            manifest.packages.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
        Self {
            packages: names.join(","),
            suite: manifest.version.clone(),
            mirror: manifest.mirror.url.clone(),
            folder: folder.to_owned(),
        }
    }

    fn run(&self) -> anyhow::Result<()> {
        info!("mmdebstrap and mke2fs");
        let root = self.folder.join("peer-root");
        let cache = self.folder.join("peer-cache");
        let disk = self.folder.join("peer.img");
        let _ = fs::remove_dir_all(&root);
        let _ = fs::remove_file(&disk);
        fs::create_dir_all(&cache)?;
        let archives = "var/cache/apt/archives";
        let fill = format!(
            "mkdir -p \"$1/{archives}\"; cp -n {0}/*.deb \"$1/{archives}/\" 2>/dev/null || true",
            cache.display()
        );
        let keep = format!("cp -n \"$1/{archives}/\"*.deb {}/ || true", cache.display());
        execute(
            Command::new("mmdebstrap")
                .args([
                    "--quiet",
                    "--variant=extract",
                    "--skip=download/empty",
                    "--skip=cleanup/apt",
                ])
                .arg(format!("--include={}", self.packages))
                .arg(format!("--setup-hook={fill}"))
                .arg(format!("--customize-hook={keep}"))
                .arg(&self.suite)
                .arg(&root)
                .arg(&self.mirror),
        )?;
        // What our recipe leaves out, the peer leaves out too.
        for path in
            ["usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache", "var/lib/apt"]
        {
            let _ = fs::remove_dir_all(root.join(path));
        }
        execute(
            Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-d"])
                .arg(&root)
                .arg(&disk)
                .arg("512M"),
        )
    }
}

fn execute(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} can't be started"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn unchanged(project: &Project) -> anyhow::Result<Duration> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut times = Vec::new();
    // One more than counts: the first may have something to build.
    for _ in 0..=RUNS {
        let clock = Instant::now();
        execute(
            Command::new(&cargo)
                .args(["xtask", "build-image", "--distro", "debian"])
                .current_dir(project.root()),
        )?;
        times.push(clock.elapsed());
    }
    times.remove(0);
    Ok(median(times))
}
