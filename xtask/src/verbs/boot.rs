//! `cargo xtask boot`: boots a guest, talks to its agent, checks it and shows
//! where the time went.

use crate::Outcome;
use crate::failure::Failure;
use crate::flags::{Accelerator, Boot, BuildImage, Driver, Flags, InitKind, Kind, Suite};
use crate::interrupt::Folder;
use crate::project::Project;
use crate::tools;
use crate::verbs::{build_image, build_kernel};
use anyhow::{Context, anyhow};
use boot_check::{
    AcceleratorChoice, BootReport, BootRequest, Extension, Init, RootDriver, Rootfs, Timeline,
    ToolPaths,
};
use osbuilder::{ExtensionManifest, Manifest};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn run(project: &Project, flags: &Flags, args: &Boot) -> Result<Outcome, Failure> {
    let (guest, report) = boot(project, flags, args, |request| {
        if args.suite == Some(Suite::Agent) {
            request.suite = Some(suite(project, flags, args)?);
        }
        Ok(())
    })?;
    let text = describe(&guest, &report);
    let json = serde_json::from_str(&report.to_json())?;
    Ok(Outcome { text, json })
}

/// Boots what `args` say, with what `more` asks for.
pub(super) fn boot(
    project: &Project,
    flags: &Flags,
    args: &Boot,
    more: impl FnOnce(&mut BootRequest) -> Result<(), Failure>,
) -> Result<(Guest, BootReport), Failure> {
    tools::require(project, "boot")?;
    // The kernel first: it may lack host tools, which is better said early.
    let kernel = match &args.kernel {
        Some(path) => existing(path)?,
        None => build_kernel::usual(project, flags.quiet)?,
    };
    let guest = guest(project, flags, args)?;
    let work = Folder::new("kata-boot-").context("no temporary folder")?;
    // The hypervisor's sockets go there too, so that an interruption takes them.
    let _ = tempfile::env::override_temp_dir(work.path());
    let driver = driver(args, &guest)?;
    let mut request = request(project, args, driver, &guest, kernel, work.path());
    more(&mut request)?;
    for path in &args.extension {
        request.extend(extension(path)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no async runtime")?;
    let outcome = runtime.block_on(boot_check::boot(&request));
    if let Some(folder) = &args.report {
        report(folder, &outcome, work.path())?;
    }
    // Everything worth knowing is in the failure's one message.
    let report = outcome.map_err(|failure| anyhow::Error::new(*failure))?;
    Ok((guest, report))
}

/// What the suite's containers are made of.
fn suite(project: &Project, flags: &Flags, args: &Boot) -> Result<boot_check::Suite, Failure> {
    let busybox = busybox(project)?;
    let debian = build_image::build(
        project,
        flags.quiet,
        &BuildImage { distro: Some("debian".into()), ..BuildImage::usual() },
    )?;
    Ok(boot_check::Suite { busybox, debian: Some(debian.artifact), only: args.case.clone() })
}

/// The host's busybox, which containers run.
pub(super) fn busybox(project: &Project) -> Result<PathBuf, Failure> {
    tools::require(project, "suite")?;
    let busybox = tools::TOOLS.iter().find(|tool| tool.name == "busybox");
    let busybox = busybox.and_then(|tool| tools::find(project, tool));
    Ok(busybox.context("no busybox")?)
}

/// What is booted, and what is known of it.
pub(super) struct Guest {
    path: PathBuf,
    kind: Kind,
    manifest: Option<Manifest>,
}

fn guest(project: &Project, flags: &Flags, args: &Boot) -> Result<Guest, Failure> {
    if let Some(path) = &args.image {
        return Ok(Guest { path: existing(path)?, kind: Kind::Image, manifest: manifest_of(path) });
    }
    if let Some(path) = &args.initrd {
        return Ok(Guest {
            path: existing(path)?,
            kind: Kind::Initrd,
            manifest: manifest_of(path),
        });
    }
    if args.kind == Some(Kind::Tar) {
        return Err(Failure::input(anyhow!("a tar can't be booted; boot an image or an initrd")));
    }
    let built = build_image::build(
        project,
        flags.quiet,
        &BuildImage {
            distro: args.distro.clone(),
            kind: args.kind,
            init: args.init,
            variant: args.variant.clone(),
            form: args.form,
            verity: args.verity,
            ..BuildImage::usual()
        },
    )?;
    let kind = match built.manifest.r#type {
        recipe::Type::Initrd => Kind::Initrd,
        recipe::Type::Image | recipe::Type::Tar => Kind::Image,
    };
    Ok(Guest { path: built.artifact, kind, manifest: Some(built.manifest) })
}

/// How the guest gets its image: as it is asked for, where the image can be
/// used so.
fn driver(args: &Boot, guest: &Guest) -> Result<Driver, Failure> {
    let maps = guest.manifest.as_ref().and_then(|manifest| manifest.dax).unwrap_or(true);
    match args.driver {
        Some(Driver::Nvdimm) if !maps && guest.kind == Kind::Image => {
            let why = match guest.manifest.as_ref().and_then(|manifest| manifest.compression) {
                Some(compression) => format!("its files are compressed with {compression}"),
                None => "it has no DAX header".to_owned(),
            };
            Err(Failure::input(anyhow!(
                "{} can't be mapped with DAX, since {why}; boot it with --driver virtio-blk",
                guest.path.display()
            )))
        }
        Some(driver) => Ok(driver),
        None if maps => Ok(Driver::Nvdimm),
        None => Ok(Driver::VirtioBlk),
    }
}

fn existing(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path)
        .with_context(|| format!("{} can't be booted", path.display()))
        .map_err(Failure::input)
}

/// An extension as its manifest describes it.
fn extension(path: &Path) -> Result<Extension, Failure> {
    let path = existing(path)?;
    let manifest = ExtensionManifest::beside(&path).map_err(|problem| {
        Failure::input(anyhow::anyhow!("no manifest of an extension: {problem}"))
    })?;
    let verity_params = Some(manifest.verity_params);
    Ok(Extension { name: manifest.extension, path, verity_params })
}

fn manifest_of(artifact: &Path) -> Option<Manifest> {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".manifest.json");
    serde_json::from_slice(&fs::read(name).ok()?).ok()
}

fn request(
    project: &Project,
    args: &Boot,
    driver: Driver,
    guest: &Guest,
    kernel: PathBuf,
    work: &Path,
) -> BootRequest {
    let rootfs = match guest.kind {
        Kind::Initrd => Rootfs::Initrd(guest.path.clone()),
        Kind::Image | Kind::Tar => Rootfs::Image {
            path: guest.path.clone(),
            driver: match driver {
                Driver::Nvdimm => RootDriver::NvdimmDax,
                Driver::VirtioBlk => RootDriver::VirtioBlk,
            },
            fstype: guest
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.filesystem.clone())
                .unwrap_or_else(|| "ext4".into()),
        },
    };
    let mut request = BootRequest::new(kernel, rootfs, work);
    if let Some(verity) = guest.manifest.as_ref().and_then(|manifest| manifest.verity.as_ref()) {
        request.measure(match driver {
            Driver::Nvdimm => verity.dm_create_nvdimm.clone(),
            Driver::VirtioBlk => verity.dm_create_virtio_blk.clone(),
        });
    }
    if let Some(manifest) = &guest.manifest {
        let version = &manifest.agent_version;
        request.expect.agent_version = Some(version.clone()).filter(|v| v != "unknown");
        request.expect.init = match manifest.init {
            recipe::Init::Agent => Init::Agent,
            recipe::Init::Systemd => Init::Systemd,
        };
    } else if let Some(init) = args.init {
        request.expect.init = if init == InitKind::Agent { Init::Agent } else { Init::Systemd };
    }
    if let Rootfs::Image { fstype, .. } = &request.rootfs {
        request.expect.root_fstype = Some(fstype.clone());
    }
    request.accelerator = match args.accel {
        Accelerator::Auto => AcceleratorChoice::Auto,
        Accelerator::Kvm => AcceleratorChoice::Kvm,
        Accelerator::Tcg => AcceleratorChoice::Tcg,
    };
    request.icount = args.icount;
    request.memory_mib = args.memory;
    request.cpus = args.cpus;
    // What the guest was built to be started with, where that is not usual anyway.
    let usual = request.kernel_params();
    let built_for = guest.manifest.iter().flat_map(|manifest| &manifest.kernel_parameters);
    let built_for = built_for.filter(|parameter| !usual.contains(parameter));
    request.extra_kernel_params = built_for.chain(&args.append).cloned().collect();
    request.timeout = Duration::from_secs(args.timeout);
    request.tools = ToolPaths { tools_dir: Some(project.tool_folder()), ..ToolPaths::default() };
    request
}

fn report(folder: &Path, outcome: &boot_check::Outcome, work: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let (json, svg) = match outcome {
        Ok(report) => (report.to_json(), report.to_svg()),
        Err(failure) => (failure.to_json(), failure.to_svg()),
    };
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
    };
    write("boot.json", json.as_bytes())?;
    write("boot.svg", svg.as_bytes())?;
    if let Ok(console) = fs::read(boot_check::request::console_log(work)) {
        write("console.log", &console)?;
    }
    Ok(())
}

fn describe(guest: &Guest, report: &BootReport) -> String {
    let mut text = format!("{} boots ({})\n", guest.path.display(), report.accelerator);
    text += &table(&report.timeline, report.icount);
    for check in &report.checks {
        text += &format!(
            "  {} {}: {}\n",
            if check.passed { "ok" } else { "FAILED" },
            check.name,
            check.detail
        );
    }
    text
}

fn table(timeline: &Timeline, icount: bool) -> String {
    let mut text = String::new();
    for stage in &timeline.stages {
        let host = stage.host_end_us.saturating_sub(stage.host_start_us);
        let guest = stage
            .guest_ns
            .map_or_else(String::new, |ns| format!("  {:>9.3} ms in the guest", ns as f64 / 1e6));
        // Under instruction counting the host's clock says nothing.
        let host = if icount { String::new() } else { format!("{:>9.1} ms", host as f64 / 1e3) };
        text += &format!("  {:<12}{host}{guest}\n", stage.stage.name());
    }
    if let Some(ns) = timeline.guest_agent_listening_ns {
        text += &format!(
            "  agent listens {:.3} ms after the kernel's start, guest time\n",
            ns as f64 / 1e6
        );
    }
    text
}
