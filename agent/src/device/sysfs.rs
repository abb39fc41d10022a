//! Small readings of sysfs. What is not there is nothing, never an error: a device
//! may come and go at any time.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::DevNode;

/// A file of sysfs is no longer than a page.
const PAGE: u64 = 4096;

/// Names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A text without the line's end; empty where there is none.
pub(crate) fn text(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(PAGE).read_to_string(&mut text);
    }
    text.trim_end().to_owned()
}

/// The name that a symbolic link points to.
pub(super) fn link_name(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_owned())
}

/// The device of a folder in sysfs, once it has a node in `dev` that can be opened.
/// A device is in sysfs a moment before it has one, and that a moment before it works.
pub(super) fn node(folder: &Path, dev: &Path, name: &str) -> Option<DevNode> {
    let numbers = text(&folder.join("dev"));
    let (major, minor) = numbers.split_once(':')?;
    // Where a name has a slash the kernel writes an exclamation mark.
    let path = dev.join(name.replace('!', "/"));
    is_open_to_somebody(&path).then_some(())?;
    Some(DevNode {
        name: name.to_owned(),
        path,
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        sysfs: folder.to_owned(),
    })
}

fn is_open_to_somebody(path: &PathBuf) -> bool {
    match File::open(path) {
        Ok(_) => true,
        Err(error) => {
            let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
            !matches!(errno, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV | Errno::ENOTDIR)
        }
    }
}
