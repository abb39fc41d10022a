//! Whole trees of files: handing one to a group, and removing one. Neither follows
//! a symbolic link nor leaves the filesystem it began on, whatever a container has
//! put there.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::libc;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmod, fchmodat, fstat, fstatat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, fchownat, unlinkat};

use super::VolumeGroup;

/// Deeper trees than this are nobody's volume.
const DEEPEST: usize = 256;

/// What a group may do with files, with folders besides, and what makes new files
/// the group's too.
const GROUP_WRITES: u32 = 0o060;
const GROUP_READS: u32 = 0o040;
const OWNER_TOO: u32 = 0o600;
const ENTER: u32 = 0o110;
const SET_GROUP: u32 = 0o2000;

pub(super) fn give(volume: &VolumeGroup) -> io::Result<()> {
    let root = open_folder(None, volume.path.as_os_str())?;
    let stat = fstat(&root)?;
    let rights = |folder: bool| {
        let files = if volume.read_only { GROUP_READS | 0o400 } else { GROUP_WRITES | OWNER_TOO };
        files | if folder { ENTER | SET_GROUP } else { 0 }
    };
    let fits = stat.st_gid == volume.group && stat.st_mode & rights(true) == rights(true);
    if volume.only_on_mismatch && fits {
        return Ok(());
    }
    let group = Some(Gid::from_raw(volume.group));
    walk(&root, stat.st_dev, 0, &mut |visit| {
        match visit {
            Visit::Leave(folder, stat) => {
                fchown(folder, None, group)?;
                fchmod(folder, mode(stat.st_mode & 0o7777 | rights(true)))?;
            }
            Visit::Entry { folder, name, stat } => {
                fchownat(folder, name, None, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                // A link has no rights of its own.
                if stat.st_mode & libc::S_IFMT != libc::S_IFLNK {
                    let wanted = mode(stat.st_mode & 0o7777 | rights(false));
                    fchmodat(folder, name, wanted, FchmodatFlags::NoFollowSymlink).or_else(
                        // Older kernels know no such flag; then the entry must still be
                        // what it was when it was looked at.
                        |_| chmod_same(folder, name, stat, wanted),
                    )?;
                }
            }
            Visit::Emptied { .. } => {}
        }
        Ok(())
    })
}

fn chmod_same(
    folder: BorrowedFd<'_>,
    name: &CStr,
    stat: &FileStat,
    wanted: Mode,
) -> nix::Result<()> {
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Ok(());
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    let now = fstat(&file)?;
    if (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino) {
        fchmod(&file, wanted)
    } else {
        Ok(())
    }
}

/// Removes a file or a whole folder; what is not there is removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let root = match open_folder(None, path.as_os_str()) {
        Ok(root) => root,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        Err(_) => return Ok(unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir)?),
    };
    let device = fstat(&root)?.st_dev;
    let parent = open_folder(None, parent.as_os_str())?;
    if fstat(&parent)?.st_dev != device {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    walk(&root, device, 0, &mut |visit| match visit {
        Visit::Leave(..) => Ok(()),
        Visit::Entry { folder, name, .. } => unlinkat(folder, name, UnlinkatFlags::NoRemoveDir),
        Visit::Emptied { folder, name } => unlinkat(folder, name, UnlinkatFlags::RemoveDir),
    })?;
    Ok(unlinkat(&parent, Path::new(name), UnlinkatFlags::RemoveDir)?)
}

/// What a walk comes by.
enum Visit<'a> {
    /// Anything but a folder.
    Entry { folder: BorrowedFd<'a>, name: &'a CStr, stat: &'a FileStat },
    /// A folder, after all that is in it.
    Leave(BorrowedFd<'a>, &'a FileStat),
    /// The same by its name in its parent.
    Emptied { folder: BorrowedFd<'a>, name: &'a CStr },
}

fn walk(
    folder: &OwnedFd,
    device: libc::dev_t,
    depth: usize,
    visit: &mut dyn FnMut(Visit<'_>) -> nix::Result<()>,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    let stat = fstat(folder)?;
    let mut entries = Dir::from_fd(folder.try_clone()?)?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let at = folder.as_fd();
        let found = match fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            // Gone while we walked.
            Err(Errno::ENOENT) => continue,
            other => other?,
        };
        if found.st_dev != device {
            continue;
        }
        if found.st_mode & libc::S_IFMT == libc::S_IFDIR {
            let inner = openat(at, name, folder_flags(), Mode::empty())?;
            if fstat(&inner)?.st_dev == device {
                walk(&inner, device, depth + 1, visit)?;
                visit(Visit::Emptied { folder: at, name })?;
            }
        } else {
            visit(Visit::Entry { folder: at, name, stat: &found })?;
        }
    }
    Ok(visit(Visit::Leave(folder.as_fd(), &stat))?)
}

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn open_folder(at: Option<BorrowedFd<'_>>, path: &std::ffi::OsStr) -> io::Result<OwnedFd> {
    Ok(match at {
        Some(at) => openat(at, path, folder_flags(), Mode::empty())?,
        None => openat(AT_FDCWD, path, folder_flags(), Mode::empty())?,
    })
}

fn mode(bits: u32) -> Mode {
    Mode::from_bits_truncate(bits)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_volume_goes_to_its_group_and_no_link_leads_out() {
        let root = tempfile::tempdir().unwrap();
        let (volume, outside) = (root.path().join("v"), root.path().join("outside"));
        fs::create_dir_all(volume.join("d")).unwrap();
        for path in [&outside, &volume.join("d/f")] {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        symlink("../outside", volume.join("link")).unwrap();
        // The own group, so that this needs no rights.
        let group = fs::metadata(&volume).unwrap().gid();
        let give = |read_only, only_on_mismatch| {
            let path = volume.clone();
            give(&VolumeGroup { path, group, read_only, only_on_mismatch }).unwrap();
        };
        give(true, false);
        assert_eq!(mode_of(&volume.join("d/f")), 0o640);
        assert_eq!(mode_of(&volume.join("d")) & 0o2070, 0o2050 | mode_of(&volume.join("d")) & 0o20);
        give(false, true);
        assert_eq!(mode_of(&volume.join("d/f")), 0o660);
        assert_eq!(mode_of(&outside), 0o600);
        // The root fits now: what is inside is left as it is.
        fs::set_permissions(volume.join("d/f"), fs::Permissions::from_mode(0o600)).unwrap();
        give(false, true);
        assert_eq!(mode_of(&volume.join("d/f")), 0o600);
        give(false, false);
        assert_eq!(mode_of(&volume.join("d/f")), 0o660);
    }

    #[test]
    fn a_tree_is_removed_and_what_its_links_point_to_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (tree, outside) = (root.path().join("t"), root.path().join("outside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("f"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        fs::write(tree.join("a/b/f"), "x").unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists() && outside.join("f").exists());
        remove(&tree).unwrap();
        // A link in place of the tree is itself removed.
        symlink(&outside, &tree).unwrap();
        remove(&tree).unwrap();
        assert!(fs::symlink_metadata(&tree).is_err() && outside.join("f").exists());
    }
}
