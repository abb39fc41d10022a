//! `cargo xtask plan`: what build-image would do, without doing it.

use super::show::Guest;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Bars;
use crate::project::Project;
use clap::Args;
use osbuilder::MirrorChoice;
use osbuilder::explain::PlanRequest;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    guest: Guest,
    /// Base URL of a mirror in place of the usual ones.
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
    /// Public key that the mirror is signed with, in place of the recipe's.
    #[arg(long, value_name = "FILE", requires = "mirror")]
    mirror_key: Vec<PathBuf>,
    /// Use only what the store holds; open no connection.
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Plan) -> Result<Outcome, Failure> {
    let guest = &args.guest;
    let distro = guest.distro(project);
    let plan = osbuilder::explain::plan(
        &PlanRequest {
            recipes: &project.recipes(),
            distro,
            r#type: guest.kind.map(Into::into),
            init: guest.init.map(Into::into),
            variant: guest.variant.as_deref(),
            architecture: &guest.arch,
            mirrors: MirrorChoice {
                urls: args.mirror.clone(),
                keys: args.mirror_key.clone(),
                record: Some(project.mirror_record(distro)),
                host_root: PathBuf::from("/"),
            },
            out: &guest.folder(project),
            held: &project.store(true)?,
        },
        &project.store(args.offline)?,
        &Bars::new(flags.quiet),
    )?;
    Ok(Outcome { text: plan.to_text(), json: serde_json::to_value(&plan)? })
}
