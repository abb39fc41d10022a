//! `cargo xtask build-image`: a guest initrd or image.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{BuildImage, Compression, Flags, FormFlags, Format, InitKind, Kind, Sbom};
use crate::progress::Bars;
use crate::project::Project;
use crate::verbs::build_agent;
use osbuilder::{BuildRequest, Built};
use recipe::{Choice, Filesystem, FormChoice, Init, Type};
use std::time::Instant;

pub(crate) fn run(project: &Project, flags: &Flags, args: &BuildImage) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    let built = build(project, flags.quiet, args)?;
    let manifest = &built.manifest;
    let (count, size) = (manifest.packages.len(), manifest.artifact.size);
    let state = if built.unchanged { "unchanged" } else { "built" };
    let text = format!(
        "{} {state} in {:.2} s: {count} packages, {:.1} MiB, {} as PID 1\n  sha256 {}\n  packages from {} ({})",
        built.artifact.display(),
        clock.elapsed().as_secs_f64(),
        size as f64 / f64::from(1 << 20),
        manifest.init,
        manifest.artifact.sha256,
        manifest.mirror.url,
        manifest.mirror.chosen_by,
    );
    let json = serde_json::json!({
        "artifact": built.artifact,
        "manifest": built.manifest_file,
        "unchanged": built.unchanged,
        "sha256": manifest.artifact.sha256,
        "size": size,
        "mirror": manifest.mirror,
    });
    Ok(Outcome { text, json })
}

/// Builds what the arguments ask for; other verbs need it too.
pub(crate) fn build(project: &Project, quiet: bool, args: &BuildImage) -> Result<Built, Failure> {
    let versions = &project.versions;
    let distro = args.distro.as_deref().unwrap_or(match args.kind {
        Some(Kind::Initrd) => &versions.default_initrd_name,
        _ => &versions.default_image_name,
    });
    // A slip in the recipe should not cost the minutes of compiling the agent.
    let folder = osbuilder::RecipeFolder::load(&project.recipes(), distro)?;
    let (kind, init) = (args.kind.map(Into::into), args.init.map(Into::into));
    let form = args.form.into();
    let choice = Choice { r#type: kind, init, variant: args.variant.as_deref(), form };
    folder.recipe.choose(&choice, &args.arch).map_err(Failure::input)?;
    let agent = match &args.agent {
        Some(path) => build_agent::given(path, &args.arch, args.agent_version.as_deref())?,
        None => build_agent::build(project, &args.arch)?,
    };
    let out = args.out.clone().unwrap_or_else(|| project.out(&args.arch));
    let locks = args.supply.locks();
    let request = BuildRequest {
        recipes: &project.recipes(),
        distro,
        r#type: kind,
        init,
        form,
        variant: args.variant.as_deref(),
        architecture: &args.arch,
        mirrors: args.supply.mirrors(project, distro),
        agent: &agent,
        out: &out,
        update: args.update,
        locked: args.locked,
        locks: locks.as_deref(),
        versions: Some(project.versions_text.as_bytes()),
        verity: args.verity,
        cyclonedx: args.sbom == Some(Sbom::Cyclonedx),
    };
    let store = args.supply.store(project)?;
    Ok(osbuilder::build(&request, &store, &Bars::new(quiet))?)
}

impl From<Kind> for Type {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Initrd => Self::Initrd,
            Kind::Image => Self::Image,
            Kind::Tar => Self::Tar,
        }
    }
}

impl From<InitKind> for Init {
    fn from(init: InitKind) -> Self {
        match init {
            InitKind::Agent => Self::Agent,
            InitKind::Systemd => Self::Systemd,
        }
    }
}

impl From<FormFlags> for FormChoice {
    fn from(flags: FormFlags) -> Self {
        Self {
            filesystem: flags.format.map(|format| match format {
                Format::Ext4 => Filesystem::Ext4,
                Format::Erofs => Filesystem::Erofs,
            }),
            compression: flags.compression.map(|compression| match compression {
                Compression::None => recipe::Compression::None,
                Compression::Gzip => recipe::Compression::Gzip,
                Compression::Zstd => recipe::Compression::Zstd,
                Compression::Xz => recipe::Compression::Xz,
                Compression::Lz4 => recipe::Compression::Lz4,
                Compression::Lz4hc => recipe::Compression::Lz4hc,
            }),
        }
    }
}
