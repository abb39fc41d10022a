//! Device nodes and links of a container's /dev.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount};

use crate::confine::{Kind, Root};
use crate::error::{During, Error};
use crate::mounts::clean;
use crate::os::mount_api;

/// A node as it is to be.
#[derive(Debug, Clone)]
struct Node<'a> {
    path: &'a Path,
    kind: SFlag,
    number: u64,
    mode: u32,
    owner: (u32, u32),
}

/// What every container has: path, major and minor number; characters for everyone.
const ALWAYS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Links that programs expect.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// The kind and the kernel's number of a device.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn number(device: &LinuxDevice) -> Result<(SFlag, u64), String> {
    let kind = match device.typ() {
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
        LinuxDeviceType::P => return Ok((SFlag::S_IFIFO, 0)),
        LinuxDeviceType::A => return Err("a node must be of one kind".to_owned()),
    };
    // The kernel has 12 bits for one number and 20 for the other.
    let part = |number: i64, bits: u32| {
        u32::try_from(number)
            .ok()
            .filter(|number| number >> bits == 0)
            .ok_or_else(|| format!("{number} is no device's number"))
    };
    Ok((kind, libc::makedev(part(device.major(), 12)?, part(device.minor(), 20)?)))
}

/// Whether /dev is the container's own to fill: not when it is another's, bound.
pub(crate) fn are_ours(mounts: &[Mount]) -> bool {
    !mounts.iter().any(|mount| {
        let bind = |option: &String| option == "bind" || option == "rbind";
        clean(mount.destination()) == Path::new("/dev")
            && (mount.typ().as_deref() == Some("bind")
                || mount.options().iter().flatten().any(bind))
    })
}

/// Makes all nodes and links.
pub(crate) fn make(root: &Root, devices: &[LinuxDevice]) -> Result<(), Error> {
    for (path, major, minor) in ALWAYS {
        if devices.iter().any(|device| device.path() == Path::new(path)) {
            continue;
        }
        node(
            root,
            &Node {
                path: Path::new(path),
                kind: SFlag::S_IFCHR,
                number: libc::makedev(major, minor),
                mode: 0o666,
                owner: (0, 0),
            },
        )?;
    }
    for device in devices {
        let (kind, number) =
            self::number(device).map_err(|why| crate::spec::Invalid::new("linux.devices", why))?;
        node(
            root,
            &Node {
                path: device.path(),
                kind,
                number,
                mode: device.file_mode().unwrap_or(0o666) & 0o7777,
                owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
            },
        )?;
    }
    Ok(())
}

fn node(root: &Root, wanted: &Node<'_>) -> Result<(), Error> {
    let what = || format!("can't make the device {}", wanted.path.display());
    let (folder, name) = root.folder_of(&clean(wanted.path)).during(what)?;
    let mode = Mode::from_bits_truncate(wanted.mode);
    match mknodat(&folder, name.as_os_str(), wanted.kind, mode, wanted.number) {
        Ok(()) => {}
        // The image has one, or the list has it twice.
        Err(Errno::EEXIST) => return Ok(()),
        // In a user namespace nobody makes devices: the guest's own is bound.
        Err(Errno::EPERM) => return bind(root, wanted.path).during(what),
        Err(errno) => return Err(errno).during(what),
    }
    let made = openat(
        &folder,
        name.as_os_str(),
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .during(what)?;
    let (uid, gid) = wanted.owner;
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    fchownat(&made, "", owner.0, owner.1, AtFlags::AT_EMPTY_PATH).during(what)
}

fn bind(root: &Root, path: &Path) -> std::io::Result<()> {
    let source = mount_api::clone_path(path, false)?;
    mount_api::move_to(&source, root.make(&clean(path), Kind::File)?)
}

/// Makes the links, and the one to the terminals of the container's own devpts.
pub(crate) fn link(root: &Root) -> Result<(), Error> {
    let core = Path::new("/proc/kcore").exists().then_some(("/dev/core", "/proc/kcore"));
    for (path, target) in LINKS.into_iter().chain(core) {
        let what = || format!("can't make the link {path}");
        let (folder, name) = root.folder_of(Path::new(path)).during(what)?;
        match symlinkat(target, &folder, name.as_os_str()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno).during(what),
        }
    }
    let what = || "can't make the link /dev/ptmx";
    let (folder, name) = root.folder_of(Path::new("/dev/ptmx")).during(what)?;
    match unlinkat(&folder, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno).during(what),
    }
    symlinkat("pts/ptmx", &folder, name.as_os_str()).during(what)
}

/// Whether a descriptor is the null device.
pub(crate) fn is_null(descriptor: impl AsFd) -> bool {
    fstat(descriptor.as_fd()).is_ok_and(|status| {
        status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits()
            && status.st_rdev == libc::makedev(1, 3)
    })
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxDeviceBuilder;

    use super::*;

    #[test]
    fn numbers_must_fit() {
        let device = |major, minor, kind| {
            LinuxDeviceBuilder::default()
                .path("/dev/x")
                .typ(kind)
                .major(major)
                .minor(minor)
                .build()
                .expect("it is whole")
        };
        let (kind, found) = number(&device(8, 1, LinuxDeviceType::B)).expect("it fits");
        assert_eq!((kind, found), (SFlag::S_IFBLK, libc::makedev(8, 1)));
        for (major, minor) in [(-1, 0), (0, -1), (4096, 0), (0, 1 << 20), (i64::MAX, i64::MIN)] {
            assert!(number(&device(major, minor, LinuxDeviceType::C)).is_err());
        }
        assert!(number(&device(1, 3, LinuxDeviceType::A)).is_err());
        assert!(number(&device(-1, -1, LinuxDeviceType::P)).is_ok());
    }
}
