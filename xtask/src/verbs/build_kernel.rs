//! `cargo xtask build-kernel`: the guest kernel, from verified source.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{BuildKernel, Flags};
use crate::progress::Bars;
use crate::project::Project;
use anyhow::Context;
use kernel_builder::{BuildOptions, Built, KernelSpec, Source, fragments_in};
use osbuilder::MirrorChoice;
use recipe::KernelSource;
use std::path::PathBuf;
use std::time::Instant;

pub(crate) fn run(
    project: &Project,
    flags: &Flags,
    args: &BuildKernel,
) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    if args.config_only {
        let (spec, options) = prepare(project, args)?;
        let store = project.store(args.offline)?;
        let made = kernel_builder::configure(&spec, &store, &options, &Bars::new(flags.quiet))?;
        let text =
            format!("{} proven in {:.1} s", made.config.display(), clock.elapsed().as_secs_f64());
        return Ok(Outcome { text, json: serde_json::json!({"config": made.config}) });
    }
    let built = build(project, flags.quiet, args)?;
    let text = format!(
        "{} {} in {:.2} s\n  {}\n  {}",
        built.vmlinuz.display(),
        if built.cached { "unchanged" } else { "built" },
        clock.elapsed().as_secs_f64(),
        built.vmlinux.display(),
        built.config.display(),
    );
    let json = serde_json::json!({
        "vmlinuz": built.vmlinuz, "vmlinux": built.vmlinux, "config": built.config,
        "version": built.version, "unchanged": built.cached, "key": built.key,
    });
    Ok(Outcome { text, json })
}

/// Builds the kernel, or finds it built; other verbs need it too.
pub(crate) fn build(project: &Project, quiet: bool, args: &BuildKernel) -> Result<Built, Failure> {
    let (spec, options) = prepare(project, args)?;
    let store = project.store(args.offline)?;
    Ok(kernel_builder::build(&spec, &store, &options, &Bars::new(quiet))?)
}

/// The kernel that guests boot when nobody names one, built if it isn't there.
pub(crate) fn usual(project: &Project, quiet: bool) -> Result<PathBuf, Failure> {
    let args = BuildKernel {
        arch: std::env::consts::ARCH.into(),
        out: None,
        config_only: false,
        keep_tree: false,
        mirror: Vec::new(),
        update: false,
        offline: false,
        jobs: None,
    };
    Ok(build(project, quiet, &args)?.vmlinuz)
}

fn prepare(project: &Project, args: &BuildKernel) -> Result<(KernelSpec, BuildOptions), Failure> {
    let kernel = &project.versions.kernel;
    let source = match &kernel.source {
        KernelSource::Apt(source) => Source::DebSource {
            deb: osbuilder::apt_source(
                &project.recipes(),
                &source.distro,
                &args.arch,
                &MirrorChoice {
                    urls: args.mirror.clone(),
                    host_root: PathBuf::from("/"),
                    ..MirrorChoice::default()
                },
            )?,
            package: source.package.clone(),
        },
        KernelSource::Tarball(source) => {
            let urls = source
                .urls
                .iter()
                .map(|url| url.parse().with_context(|| format!("versions.yaml: `{url}`")));
            let mut sha256 = [0; 32];
            hex::decode_to_slice(&source.sha256, &mut sha256).context("versions.yaml: sha256")?;
            Source::Tarball { urls: urls.collect::<Result<_, _>>()?, sha256 }
        }
    };
    let folder = project.root().join("kernel/configs");
    let mut patches: Vec<PathBuf> = std::fs::read_dir(project.root().join("kernel/patches"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    patches.sort();
    let spec = KernelSpec {
        version: kernel.version.clone(),
        source,
        fragments: fragments_in(&folder, &args.arch).map_err(Failure::input)?,
        patches,
        architecture: args.arch.clone(),
        source_date_epoch: kernel.source_date_epoch,
        flavour: "kata".into(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let options = BuildOptions {
        work_dir: project.target().join("kernel"),
        out_dir: args.out.clone().unwrap_or_else(|| project.out(&args.arch)),
        jobs: args.jobs.unwrap_or(cores),
        keep_tree: args.keep_tree,
        update: args.update,
    };
    Ok((spec, options))
}
