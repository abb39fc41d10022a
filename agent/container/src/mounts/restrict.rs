//! Paths of the finished root filesystem that a container may not write or not see.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::stat::{SFlag, fstat};

use crate::confine::Root;
use crate::error::{During, Error};
use crate::os::attr;
use crate::os::mount_api::{self, Filesystem};

/// Binds a path to itself, read-only. A path that is not there is not missed.
pub(crate) fn read_only(root: &Root, path: &Path) -> Result<(), Error> {
    let what = || format!("can't make {} read-only", path.display());
    let found = match root.find(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.during(what)?,
    };
    let copy = {
        use std::os::fd::AsFd;
        mount_api::clone_tree(found.as_fd(), c"", true).during(what)?
    };
    mount_api::set_attributes(&copy, attr::RDONLY, 0, false).during(what)?;
    mount_api::move_to(&copy, &found).during(what)
}

/// Covers a path: a folder with an empty one, a file with the null device. A path that
/// is not there is not missed.
pub(crate) fn mask(root: &Root, path: &Path) -> Result<(), Error> {
    let what = || format!("can't mask {}", path.display());
    let found = match root.find(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.during(what)?,
    };
    let kind = fstat(&found).during(what)?.st_mode & SFlag::S_IFMT.bits();
    let cover = if kind == SFlag::S_IFDIR.bits() {
        mount_api::make(&Filesystem {
            kind: "tmpfs",
            source: "tmpfs",
            attributes: attr::RDONLY,
            flags: &[],
            data: &[],
        })
        .during(what)?
    } else {
        null(root)?
    };
    mount_api::move_to(&cover, &found).during(what)
}

/// A copy of the mount at the null device, after a look that it is one: the image
/// could have put anything else there.
fn null(root: &Root) -> Result<OwnedFd, Error> {
    use std::os::fd::AsFd;
    let what = || "can't use /dev/null as a mask";
    let found = root.find(Path::new("/dev/null")).during(what)?;
    let status = fstat(&found).during(what)?;
    let is_device = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits();
    if !is_device || status.st_rdev != libc::makedev(1, 3) {
        return Err(Error::Stage("the container's /dev/null is not the null device".to_owned()));
    }
    mount_api::clone_tree(found.as_fd(), c"", false).during(what)
}
