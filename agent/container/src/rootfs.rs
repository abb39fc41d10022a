//! The root filesystem: made a mount of its own, filled, and then made the root of the
//! process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};
use oci_spec::runtime::{Linux, LinuxNamespaceType, Spec};

use crate::confine::{Kind, Root};
use crate::error::{During, Error};
use crate::mounts::{self, Place, options, restrict};
use crate::os::{attr, mount_api};
use crate::{devices, spec};

/// Makes the mount, its content and its devices. What happens to mounts from here on
/// stays in this namespace.
pub(crate) fn prepare(
    spec: &Spec,
    linux: &Linux,
    rootfs: &Path,
    bundle: &Path,
    cgroup: &Path,
    at: &mut dyn FnMut(String) -> Result<(), Error>,
) -> Result<Root, Error> {
    let wanted = linux.rootfs_propagation().as_deref().and_then(options::propagation);
    let (kind, recursive) = wanted.unwrap_or((libc::MS_SLAVE, true));
    propagate("/", kind, recursive)?;
    private_parent(rootfs)?;
    let what = || format!("can't make a mount of the root filesystem {}", rootfs.display());
    let tree = mount_api::clone_path(rootfs, true).during(what)?;
    let place =
        openat(AT_FDCWD, rootfs, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during(what)?;
    mount_api::move_to(&tree, &place).during(what)?;
    let root = Root::new(tree);
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let place = Place {
        root: &root,
        bundle,
        cgroup,
        cgroup_namespace: spec::has(linux, LinuxNamespaceType::Cgroup),
    };
    for one in mounts {
        at(format!("mount {}", one.destination().display()))?;
        mounts::mount(&place, one)?;
    }
    if devices::are_ours(mounts) {
        at("devices".to_owned())?;
        devices::make(&root, linux.devices().as_deref().unwrap_or_default())?;
        devices::link(&root)?;
    }
    Ok(root)
}

fn propagate(path: &str, kind: u64, recursive: bool) -> Result<(), Error> {
    let mut flags = MsFlags::from_bits_retain(kind);
    if recursive {
        flags |= MsFlags::MS_REC;
    }
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
        .during(|| format!("can't set the propagation of {path}"))
}

/// The mount that holds the root filesystem must not be shared: the kernel would refuse
/// to move away from it, and what we mount would show elsewhere.
fn private_parent(rootfs: &Path) -> Result<(), Error> {
    for path in rootfs.ancestors() {
        match mount(None::<&str>, path, None::<&str>, MsFlags::MS_PRIVATE, None::<&str>) {
            Ok(()) => return Ok(()),
            // It is no mount's root: the mount is further up.
            Err(Errno::EINVAL) => {}
            Err(errno) => {
                return Err(errno)
                    .during(|| format!("can't make the mount of {} private", path.display()));
            }
        }
    }
    Ok(())
}

/// Makes the root filesystem the root of this process.
pub(crate) fn enter(root: &Root) -> Result<(), Error> {
    let old = openat(AT_FDCWD, "/", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .during(|| "can't open the old root")?;
    fchdir(root.as_fd()).during(|| "can't go to the root filesystem")?;
    match pivot_root(".", ".") {
        Ok(()) => {
            // The old root is now mounted over the new one.
            fchdir(&old).during(|| "can't go to the old root")?;
            propagate(".", libc::MS_SLAVE, true)?;
            umount2(".", MntFlags::MNT_DETACH).during(|| "can't leave the old root")?;
        }
        // An initramfs can't be left, only covered.
        Err(Errno::EINVAL) => cover(root, &old)?,
        Err(errno) => return Err(errno).during(|| "can't make the root filesystem the root"),
    }
    chdir("/").during(|| "can't go to the new root")
}

/// Moves the root filesystem over the old root. What was mounted there is taken away
/// first: a full view of /proc would allow a user namespace to mount one of its own.
fn cover(root: &Root, old: &OwnedFd) -> Result<(), Error> {
    let mounted = std::fs::read_to_string("/proc/self/mountinfo")
        .during(|| "can't read /proc/self/mountinfo")?;
    let what = || "can't move the root filesystem over the root";
    let place =
        openat(AT_FDCWD, "/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).during(what)?;
    mount_api::move_to(root.as_fd(), &place).during(what)?;
    fchdir(old).during(what)?;
    for path in mount_points(&mounted).iter().rev() {
        if let Ok(below) = path.strip_prefix("/")
            && !below.as_os_str().is_empty()
        {
            // Those within the moved tree are not here any more.
            let _ = umount2(below, MntFlags::MNT_DETACH);
        }
    }
    fchdir(root.as_fd()).during(what)?;
    chroot(".").during(what)
}

/// The fifth field of each line, with the kernel's escapes read back.
fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| {
            let mut text = field.to_owned();
            for (escape, meant) in
                [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
            {
                text = text.replace(escape, meant);
            }
            PathBuf::from(text)
        })
        .collect()
}

/// The last touches: what is read-only, and what is hidden. The root of this process
/// is the container's.
pub(crate) fn finish(spec: &Spec, linux: &Linux) -> Result<(), Error> {
    // That mounts are private or slaves holds by now, and must not be said again: single
    // mounts may have been made shared.
    let applied = |kind: u64| kind & (libc::MS_SHARED | libc::MS_UNBINDABLE) != 0;
    if let Some((kind, recursive)) =
        linux.rootfs_propagation().as_deref().and_then(options::propagation)
        && applied(kind)
    {
        propagate("/", kind, recursive)?;
    }
    let root = Root::open_path(Path::new("/")).during(|| "can't open the new root")?;
    if let Some(process) = spec.process() {
        make_folder(&root, process.cwd())?;
    }
    mounts::finish(&root, spec.mounts().as_deref().unwrap_or_default())?;
    if spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly) == Some(true) {
        mount_api::set_attributes(root.as_fd().as_fd(), attr::RDONLY, 0, false)
            .during(|| "can't make the root filesystem read-only")?;
    }
    Ok(())
}

/// Makes the program's folder if it is not there. One that is closed to us may be there,
/// and open to the program's user.
fn make_folder(root: &Root, folder: &Path) -> Result<(), Error> {
    match root.make(&mounts::clean(folder), Kind::Folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        made => made
            .map(drop)
            .during(|| format!("can't make the program's folder {}", folder.display())),
    }
}

/// Read-only and masked paths.
pub(crate) fn restrict(linux: &Linux) -> Result<(), Error> {
    let root = Root::open_path(Path::new("/")).during(|| "can't open the new root")?;
    for path in linux.readonly_paths().iter().flatten() {
        restrict::read_only(&root, Path::new(path))?;
    }
    for path in linux.masked_paths().iter().flatten() {
        restrict::mask(&root, Path::new(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let text = "25 1 0:1 / / rw - rootfs rootfs rw\n26 25 0:2 / /a\\040b rw - proc proc rw\n";
        assert_eq!(mount_points(text), [PathBuf::from("/"), PathBuf::from("/a b")]);
    }
}
