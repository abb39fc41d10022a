//! `cargo xtask bundle`: what was built, in the form that registries carry.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::project::Project;
use crate::verbs::build_kernel;
use clap::Args;
use osbuilder::bundle::{self, GUEST_TAG, ROOTFS_TAG};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct Bundle {
    /// The folder of an OCI image layout, with an artefact `guest` in it.
    #[arg(long, value_name = "DIR")]
    oci: PathBuf,
    /// The image, with its manifest beside it.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "initrd",
        conflicts_with = "initrd"
    )]
    image: Option<PathBuf>,
    /// The initrd, with its manifest beside it.
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// Kernel; the one of build-kernel where not given.
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// What `build-image --type tar` made: it becomes the image `rootfs`, which
    /// container tools can unpack.
    #[arg(long, value_name = "FILE")]
    rootfs: Option<PathBuf>,
}

pub(crate) fn run(project: &Project, flags: &Flags, args: &Bundle) -> Result<Outcome, Failure> {
    let kernel = match &args.kernel {
        Some(path) => path.clone(),
        None => build_kernel::usual(project, flags.quiet)?,
    };
    let artifact = args.image.as_ref().or(args.initrd.as_ref()).cloned().unwrap_or_default();
    let bundle =
        bundle::Bundle { artifact: &artifact, kernel: &kernel, rootfs: args.rootfs.as_deref() };
    bundle.write(&args.oci)?;
    let mut tags = vec![GUEST_TAG];
    tags.extend(args.rootfs.as_ref().map(|_| ROOTFS_TAG));
    let text = format!("{}: {}", args.oci.display(), tags.join(", "));
    Ok(Outcome { text, json: serde_json::json!({"oci": args.oci, "tags": tags}) })
}
