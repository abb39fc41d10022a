//! `cargo xtask plan`: what build-image would do, without doing it.

use super::show::Guest;
use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Bars;
use crate::project::Project;
use crate::supply::Supply;
use clap::Args;
use osbuilder::explain::PlanRequest;

#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    guest: Guest,
    #[command(flatten)]
    supply: Supply,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Plan) -> Result<Outcome, Failure> {
    let guest = &args.guest;
    let distro = guest.distro(project);
    let plan = osbuilder::explain::plan(
        &PlanRequest {
            recipes: &project.recipes(),
            distro,
            choice: guest.choice(),
            architecture: &guest.arch,
            mirrors: args.supply.mirrors(project, distro),
            locks: args.supply.locks().as_deref(),
            out: &guest.folder(project),
            held: &project.store(true)?,
        },
        &args.supply.store(project)?,
        &Bars::new(flags.quiet),
    )?;
    Ok(Outcome { text: plan.to_text(), json: serde_json::to_value(&plan)? })
}
