//! Fills a new tmpfs with what it is about to cover (`tmpcopyup`). Both folders belong
//! to the container, so nothing is followed and nothing is opened by a longer path
//! than one name; what is copied is bounded by the tmpfs itself.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

/// Deeper trees are no image's.
const DEEPEST: u32 = 128;

/// Copies everything within the folder `from` into the folder `to`.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let to = openat(to, ".", FOLDER, Mode::empty())?;
    own(to.as_fd(), &fstat(from)?)?;
    content(from.as_fd(), to.as_fd(), 0)
}

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

fn content(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("the covered folders are too deep"));
    }
    let mut folder = Dir::openat(from, ".", FOLDER, Mode::empty())?;
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let status = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_bits_truncate(status.st_mode);
        match SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => {
                mkdirat(to, name, mode)?;
                let inner = openat(to, name, FOLDER, Mode::empty())?;
                let outer = openat(from, name, FOLDER, Mode::empty())?;
                content(outer.as_fd(), inner.as_fd(), depth + 1)?;
                own(inner.as_fd(), &status)?;
            }
            SFlag::S_IFREG => {
                let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let mut read = File::from(openat(from, name, flags, Mode::empty())?);
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
                let mut written = File::from(openat(to, name, flags, mode)?);
                io::copy(&mut read, &mut written)?;
                own(written.as_fd(), &status)?;
            }
            SFlag::S_IFLNK => {
                symlinkat(readlinkat(from, name)?.as_os_str(), to, name)?;
                owner(to, name, &status)?;
            }
            kind => {
                mknodat(to, name, kind, mode, status.st_rdev)?;
                owner(to, name, &status)?;
            }
        }
        let times = (
            TimeSpec::new(status.st_atime, status.st_atime_nsec),
            TimeSpec::new(status.st_mtime, status.st_mtime_nsec),
        );
        utimensat(to, name, &times.0, &times.1, UtimensatFlags::NoFollowSymlink)?;
    }
    Ok(())
}

fn owner(to: BorrowedFd<'_>, name: &std::ffi::CStr, status: &FileStat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    Ok(fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

fn own(copy: BorrowedFd<'_>, status: &FileStat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    nix::unistd::fchown(copy, Some(uid), Some(gid))?;
    // After the owner, whose change takes special bits away.
    Ok(fchmod(copy, Mode::from_bits_truncate(status.st_mode & 0o7777))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn folders_files_and_links_are_copied_with_their_modes() {
        let (from, to) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
        let inner = from.path().join("inner");
        std::fs::create_dir(&inner).expect("it is made");
        std::fs::write(inner.join("file"), "text").expect("it is written");
        std::fs::set_permissions(inner.join("file"), PermissionsExt::from_mode(0o4711))
            .expect("it is ours");
        symlink("/etc/shadow", inner.join("link")).expect("a link");
        let open = |path: &std::path::Path| OwnedFd::from(File::open(path).expect("it opens"));
        copy(&open(from.path()), &open(to.path())).expect("it is copied");
        let copied = to.path().join("inner");
        assert_eq!(std::fs::read(copied.join("file")).expect("it is there"), b"text");
        let mode =
            std::fs::metadata(copied.join("file")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o4711);
        let target = std::fs::read_link(copied.join("link")).expect("it is a link");
        assert_eq!(target, std::path::Path::new("/etc/shadow"));
    }
}
