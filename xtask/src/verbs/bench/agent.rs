//! `cargo xtask bench agent`: what the agent costs in a guest, and that nothing of its
//! containers stays there.

use crate::failure::Failure;
use crate::flags::{Bench, Boot, Flags};
use crate::project::Project;
use crate::verbs::{boot, build_agent};
use anyhow::Context;
use boot_check::{AIM_BINARY, AIM_RESIDENT, Measured, Plan};
use serde_json::{Value, json};

/// The table, the same for programs, and what grew though it must not.
pub(super) fn run(
    project: &Project,
    flags: &Flags,
    args: &Bench,
) -> Result<(String, Value, Vec<String>), Failure> {
    let binary = build_agent::build(project, std::env::consts::ARCH)?.binary.len() as u64;
    let busybox = boot::busybox(project)?;
    let (_, report) = boot::boot(project, flags, &Boot::usual(&args.distro), |request| {
        request.bench = Some(boot_check::Bench { busybox, plan: Plan::usual(args.cycles) });
        Ok(())
    })?;
    let measured: Measured = report.measured.context("the agent was not measured")?;
    let json = json!({
        "accelerator": report.accelerator,
        "memory_mib": report.memory_mib,
        "binary": binary,
        "aims": {"binary": AIM_BINARY, "resident": AIM_RESIDENT},
        "measured": measured,
        "grown": measured.grown(),
    });
    let head = format!(
        "agent {} in a guest of {} with {} MiB ({})\n",
        report.agent_version, args.distro, report.memory_mib, report.accelerator
    );
    Ok((head + &measured.to_text(binary), json, measured.grown()))
}
