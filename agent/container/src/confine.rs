//! Paths within a container's root filesystem, which belongs to the container: each
//! part may be a symbolic link, or become one while we look. So no path is walked
//! twice; every lookup stays below the root and ends in a descriptor.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

/// As many links as the kernel itself follows.
const MOST_LINKS: usize = 40;
/// As many parts as a path of the longest length has.
const MOST_PARTS: usize = 4096;

/// What is to be at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
}

/// A folder that no lookup leaves.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
}

const LOOK: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

impl Root {
    pub(crate) fn new(folder: OwnedFd) -> Self {
        Self { folder }
    }

    /// Opens a root by its path. The path itself is trusted.
    pub(crate) fn open_path(path: &Path) -> io::Result<Self> {
        let flags = LOOK | OFlag::O_DIRECTORY;
        Ok(Self::new(openat(nix::fcntl::AT_FDCWD, path, flags, Mode::empty())?))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Opens what is at `path`, following links within the root.
    pub(crate) fn open(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        loop {
            match openat2(&self.folder, path, how) {
                // Something was renamed on the way.
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                opened => return Ok(opened?),
            }
        }
    }

    /// Finds what is at `path`, without opening it for anything.
    pub(crate) fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open(path, OFlag::O_PATH)
    }

    /// Finds what is at `path`; makes it and the folders on the way if they are not
    /// there. Links that lead nowhere are followed to where they would lead.
    pub(crate) fn make(&self, path: &Path, kind: Kind) -> io::Result<OwnedFd> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.walk(path, Some(kind)),
            found => found,
        }
    }

    /// The folder in which `path` ends, made if need be, and the last part's name. A
    /// link at the end is not followed.
    pub(crate) fn folder_of(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let parent = path.parent().unwrap_or(Path::new("/"));
        Ok((self.make(parent, Kind::Folder)?, name))
    }

    /// Walks part by part, each from the folder before it.
    fn walk(&self, path: &Path, make: Option<Kind>) -> io::Result<OwnedFd> {
        let mut left: VecDeque<OsString> = parts(path);
        let mut way = vec![self.folder.try_clone()?];
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if left.len() > MOST_PARTS {
                return Err(Errno::ENAMETOOLONG.into());
            }
            if part == ".." {
                // The root's parent is the root.
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let here = way.last().ok_or(Errno::ENOENT)?;
            let kind = if left.is_empty() { make } else { make.and(Some(Kind::Folder)) };
            let found = step(here.as_fd(), &part, kind)?;
            let status = fstat(&found)?;
            if SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFLNK {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                let target = readlinkat(&found, "")?;
                let target = Path::new(&target);
                if target.is_absolute() {
                    way.truncate(1);
                }
                for part in parts(target).into_iter().rev() {
                    left.push_front(part);
                }
                continue;
            }
            way.push(found);
        }
        way.pop().ok_or_else(|| Errno::ENOENT.into())
    }
}

/// The parts of a path, without what means nothing.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}

/// Finds one part in a folder, or makes it.
fn step(folder: BorrowedFd<'_>, part: &OsStr, make: Option<Kind>) -> io::Result<OwnedFd> {
    let look = || openat(folder, part, LOOK | OFlag::O_NOFOLLOW, Mode::empty());
    let Some(kind) = make else { return Ok(look()?) };
    match look() {
        Err(Errno::ENOENT) => {}
        found => return Ok(found?),
    }
    let made = match kind {
        Kind::Folder => mkdirat(folder, part, Mode::from_bits_truncate(0o755)),
        Kind::File => openat(
            folder,
            part,
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC,
            Mode::from_bits_truncate(0o644),
        )
        .map(drop),
    };
    match made {
        // Someone else was faster; what is there is looked at as any other.
        Ok(()) | Err(Errno::EEXIST) => Ok(look()?),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads a small file within a root, no further than `most` bytes.
pub(crate) fn read(root: &Root, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    // Neither a pipe nor a device may hold us up.
    let opened = root.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
    if fstat(&opened)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::from(opened).take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("root")).expect("it is made");
        std::fs::write(folder.path().join("secret"), "outside").expect("it is written");
        let root = Root::open_path(&folder.path().join("root")).expect("it opens");
        (folder, root)
    }

    #[test]
    fn links_lead_nowhere_but_into_the_root() {
        let (folder, root) = root();
        let inside = folder.path().join("root");
        symlink("../../../../secret", inside.join("up")).expect("a link");
        symlink("/secret", inside.join("abs")).expect("a link");
        symlink(folder.path().join("secret"), inside.join("host")).expect("a link");
        for name in ["up", "abs", "host", "../secret", "/../../secret"] {
            assert!(root.find(Path::new(name)).is_err(), "{name}");
        }
        // Made below the root, where they lead seen from there.
        root.make(Path::new("up"), Kind::File).expect("it is made");
        assert_eq!(std::fs::read(inside.join("secret")).expect("it is there"), b"");
        let content = std::fs::read(folder.path().join("secret")).expect("it is there");
        assert_eq!(content, b"outside");
    }

    #[test]
    fn a_dangling_link_is_followed_to_be_made() {
        let (folder, root) = root();
        let inside = folder.path().join("root");
        std::fs::create_dir(inside.join("etc")).expect("it is made");
        symlink("../run/systemd/resolve/stub-resolv.conf", inside.join("etc/resolv.conf"))
            .expect("a link");
        root.make(Path::new("/etc/resolv.conf"), Kind::File).expect("it is made");
        assert!(inside.join("run/systemd/resolve/stub-resolv.conf").is_file());
    }

    #[test]
    fn loops_end() {
        let (folder, root) = root();
        symlink("b", folder.path().join("root/a")).expect("a link");
        symlink("a", folder.path().join("root/b")).expect("a link");
        let error = root.make(Path::new("/a/x"), Kind::Folder).expect_err("it loops");
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn a_link_at_the_end_of_a_folders_path_is_not_followed() {
        let (folder, root) = root();
        symlink("/secret", folder.path().join("root/last")).expect("a link");
        let (_, name) = root.folder_of(Path::new("/last")).expect("its folder is there");
        assert_eq!(name, "last");
        assert!(root.folder_of(Path::new("/")).is_err());
    }

    #[test]
    fn only_small_regular_files_are_read() {
        let (folder, root) = root();
        let inside = folder.path().join("root");
        std::fs::write(inside.join("big"), vec![b'x'; 11]).expect("it is written");
        assert!(read(&root, Path::new("big"), 10).is_err());
        assert_eq!(read(&root, Path::new("big"), 11).expect("it is read").len(), 11);
        nix::unistd::mkfifo(&inside.join("pipe"), Mode::S_IRWXU).expect("a pipe");
        assert!(read(&root, Path::new("pipe"), 10).is_err());
        assert!(read(&root, Path::new("/"), 10).is_err());
    }
}
