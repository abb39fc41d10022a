//! Mounts of a container, put into its root filesystem one after another. Each is made
//! detached and moved to a place that was found below the root.

mod copy_up;
pub(crate) mod options;
pub(crate) mod restrict;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use oci_spec::runtime::Mount;

use self::options::Options;
use crate::confine::{Kind, Root};
use crate::error::{During, Error};
use crate::os::attr;
use crate::os::mount_api::{self, Filesystem};

/// Where mounts go, and what some of them need to know.
pub(crate) struct Place<'a> {
    pub root: &'a Root,
    /// Relative sources start here.
    pub bundle: &'a Path,
    /// The container's cgroup, for when no view of its own can be mounted.
    pub cgroup: &'a Path,
    /// Whether the container sees its cgroup as the root.
    pub cgroup_namespace: bool,
}

/// What the kernel lets a mount be over within /proc, as runc has it: files that tools
/// replace to show a container's own numbers.
const OVER_PROC: [&str; 10] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
];

/// A destination without dots, as if the root were its only parent.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            _ => {}
        }
    }
    cleaned
}

/// Puts one mount in its place.
pub(crate) fn mount(place: &Place<'_>, mount: &Mount) -> Result<(), Error> {
    let destination = clean(mount.destination());
    let kind = mount.typ().as_deref().unwrap_or_default();
    let options = options::parse(mount.options().as_deref().unwrap_or_default())
        .map_err(|why| crate::spec::Invalid::new("mounts", why))?;
    let what = || format!("can't mount {kind} on {}", destination.display());
    let bind = options.bind.or((kind == "bind").then_some(false));
    let mounted = match (bind, kind) {
        (Some(recursive), _) => bound(place, mount, &destination, &options, recursive)?,
        (None, "proc" | "sysfs") => {
            // A link here could point the kernel's tree at a place the image chose.
            let found = place.root.make(&destination, Kind::Folder).during(what)?;
            let (parent, name) = place.root.folder_of(&destination).during(what)?;
            let same = nix::sys::stat::fstatat(
                &parent,
                name.as_os_str(),
                nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
            )
            .during(what)?;
            let itself = fstat(&found).during(what)?;
            if (same.st_dev, same.st_ino) != (itself.st_dev, itself.st_ino)
                || same.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits()
            {
                return Err(Error::Stage(format!("{}: it is no ordinary folder", what())));
            }
            new(mount, kind, &options, &found).during(what)?
        }
        (None, "tmpfs") => {
            let covered = place.root.find(&destination).and_then(|found| Ok(fstat(&found)?)).ok();
            let at = place.root.make(&destination, Kind::Folder).during(what)?;
            not_over_proc(place.root, &at, &destination)?;
            temporary(mount, &at, covered, options.clone()).during(what)?
        }
        (None, "cgroup" | "cgroup2") => {
            let at = place.root.make(&destination, Kind::Folder).during(what)?;
            not_over_proc(place.root, &at, &destination)?;
            cgroup(place, &options, &at).during(what)?
        }
        _ => {
            let at = place.root.make(&destination, Kind::Folder).during(what)?;
            not_over_proc(place.root, &at, &destination)?;
            new(mount, kind, &options, &at).during(what)?
        }
    };
    for &(propagation, recursive) in &options.propagation {
        mount_api::set_propagation(&mounted, propagation, recursive)
            .during(|| format!("can't set the propagation of {}", destination.display()))?;
    }
    Ok(())
}

/// Attributes that a new mount begins with. What must be written to first becomes
/// read-only at the end ([`finish`]).
fn first_attributes(mount: &Mount, options: &Options) -> u64 {
    if is_late(mount) { options.set & !attr::RDONLY } else { options.set }
}

fn is_late(mount: &Mount) -> bool {
    mount.typ().as_deref() == Some("tmpfs") || clean(mount.destination()) == Path::new("/dev")
}

fn new(mount: &Mount, kind: &str, options: &Options, at: &OwnedFd) -> io::Result<OwnedFd> {
    let source = mount.source().as_deref().and_then(Path::to_str).unwrap_or_default();
    let made = mount_api::make(&Filesystem {
        kind,
        source: if source.is_empty() { kind } else { source },
        attributes: first_attributes(mount, options),
        flags: &options.flags,
        data: &options.data,
    })?;
    mount_api::move_to(&made, at)?;
    recursive_attributes(&made, options)?;
    Ok(made)
}

fn recursive_attributes(mounted: &OwnedFd, options: &Options) -> io::Result<()> {
    if options.set_all | options.clear_all == 0 {
        return Ok(());
    }
    mount_api::set_attributes(mounted, options.set_all, options.clear_all, true)
}

/// A mount over something of /proc could make it lie to us and to the container; only
/// those files are allowed that hold numbers. Links of the image may lead there too.
fn not_over_proc(root: &Root, at: &OwnedFd, destination: &Path) -> Result<(), Error> {
    let below = destination.strip_prefix("/proc").ok();
    let allowed = below.and_then(Path::to_str).is_some_and(|below| OVER_PROC.contains(&below));
    if allowed || (below.is_none() && !is_in_proc(root, at)) {
        return Ok(());
    }
    Err(Error::Stage(format!("can't mount on {}: it is within /proc", destination.display())))
}

/// Whether something belongs to the filesystem at the container's /proc.
fn is_in_proc(root: &Root, at: &OwnedFd) -> bool {
    let device = |of: &OwnedFd| fstat(of).map(|status| status.st_dev);
    is_proc(at)
        && root.find(Path::new("/proc")).is_ok_and(|proc| {
            is_proc(&proc) && matches!((device(&proc), device(at)), (Ok(a), Ok(b)) if a == b)
        })
}

fn is_proc(found: &OwnedFd) -> bool {
    fstatfs(found).is_ok_and(|status| status.filesystem_type() == PROC_SUPER_MAGIC)
}

fn bound(
    place: &Place<'_>,
    mount: &Mount,
    destination: &Path,
    options: &Options,
    recursive: bool,
) -> Result<OwnedFd, Error> {
    let source = place.bundle.join(mount.source().as_deref().unwrap_or(Path::new("")));
    let what = || format!("can't bind {} to {}", source.display(), destination.display());
    let tree = mount_api::clone_path(&source, recursive).during(what)?;
    let status = fstat(&tree).during(what)?;
    let is_folder = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits();
    let kind = if is_folder { Kind::Folder } else { Kind::File };
    let at = place.root.make(destination, kind).during(what)?;
    if destination == Path::new("/proc") {
        // The real thing is as good as a new one, anything else would deceive us.
        if !is_proc(&tree) {
            return Err(Error::Stage(format!("{}: only proc can be there", what())));
        }
    } else {
        not_over_proc(place.root, &at, destination)?;
    }
    mount_api::move_to(&tree, &at).during(what)?;
    if options.any {
        let set = first_attributes(mount, options);
        attributes_of_bind(&tree, set, options).during(what)?;
    }
    recursive_attributes(&tree, options).during(what)?;
    Ok(tree)
}

/// As runc does it with a remount: a bind mount that names any attribute has those and
/// no others. What a user namespace may not take away stays.
fn attributes_of_bind(tree: &OwnedFd, set: u64, options: &Options) -> io::Result<()> {
    let plain = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;
    let times = (options.set | options.clear) & attr::ATIME != 0;
    let clear = (plain & !set) | if times { attr::ATIME } else { 0 };
    match mount_api::set_attributes(tree, set, clear, false) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            mount_api::set_attributes(tree, set, options.clear & attr::ATIME, false)
        }
        done => done,
    }
}

/// A tmpfs has the permissions of the folder that it covers, unless the spec says
/// otherwise.
fn temporary(
    mount: &Mount,
    at: &OwnedFd,
    covered: Option<FileStat>,
    mut options: Options,
) -> io::Result<OwnedFd> {
    if let Some(covered) = covered
        && !options.data.iter().any(|one| one.starts_with("mode="))
    {
        options.data.push(format!("mode={:04o}", covered.st_mode & 0o7777));
    }
    if !options.copy_up {
        return new(mount, "tmpfs", &options, at);
    }
    let made = mount_api::make(&Filesystem {
        kind: "tmpfs",
        source: mount.source().as_deref().and_then(Path::to_str).unwrap_or("tmpfs"),
        attributes: first_attributes(mount, &options),
        flags: &options.flags,
        data: &options.data,
    })?;
    copy_up::copy(at, &made)?;
    mount_api::move_to(&made, at)?;
    recursive_attributes(&made, &options)?;
    Ok(made)
}

/// The container's cgroups. Where the kernel allows no new mount, as in a user
/// namespace without one of cgroups, what is mounted already is bound.
fn cgroup(place: &Place<'_>, options: &Options, at: &OwnedFd) -> io::Result<OwnedFd> {
    let made = mount_api::make(&Filesystem {
        kind: "cgroup2",
        source: "cgroup",
        attributes: options.set,
        flags: &options.flags,
        data: &options.data,
    });
    let (made, is_bind) = match made {
        Err(error) if [Some(libc::EPERM), Some(libc::EBUSY)].contains(&error.raw_os_error()) => {
            let source =
                if place.cgroup_namespace { place.cgroup } else { Path::new("/sys/fs/cgroup") };
            (mount_api::clone_path(source, true)?, true)
        }
        made => (made?, false),
    };
    mount_api::move_to(&made, at)?;
    if is_bind {
        attributes_of_bind(&made, options.set, options)?;
    }
    recursive_attributes(&made, options)?;
    Ok(made)
}

/// Makes read-only what had to be written first: /dev and each tmpfs.
pub(crate) fn finish(root: &Root, mounts: &[Mount]) -> Result<(), Error> {
    for mount in mounts.iter().filter(|mount| is_late(mount)) {
        let options = options::parse(mount.options().as_deref().unwrap_or_default())
            .map_err(|why| crate::spec::Invalid::new("mounts", why))?;
        if options.set & attr::RDONLY == 0 {
            continue;
        }
        let destination = clean(mount.destination());
        root.find(&destination)
            .and_then(|found| mount_api::set_attributes(found.as_fd(), attr::RDONLY, 0, false))
            .during(|| format!("can't make {} read-only", destination.display()))?;
    }
    Ok(())
}

/// Whether an error says that there is no such thing.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    let missing = [Errno::ENOENT, Errno::ENOTDIR].map(|errno| Some(errno as i32));
    missing.contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_stay_below_the_root() {
        for (given, cleaned) in
            [("/a/../../b", "/b"), ("a/./b", "/a/b"), ("/", "/"), ("/proc/../dev", "/dev")]
        {
            assert_eq!(clean(Path::new(given)), Path::new(cleaned), "{given}");
        }
    }
}
