//! The mount calls that work on descriptors: a mount is made detached, given its
//! attributes, and then moved to a place that was opened before. So no path is
//! walked twice, and no symbolic link can be put in between. Linux 5.12 and later.

use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::attr;

/// `struct mount_attr`.
#[repr(C)]
#[derive(Debug, Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const EMPTY: &CStr = c"";

fn text(value: &str) -> io::Result<CString> {
    CString::new(value).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn descriptor(answer: libc::c_long) -> io::Result<OwnedFd> {
    let raw = i32::try_from(Errno::result(answer)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A detached copy of the mount at what `source` names or, if that is empty, is.
pub(crate) fn clone_tree(
    folder: BorrowedFd<'_>,
    source: &CStr,
    recursive: bool,
) -> io::Result<OwnedFd> {
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    if source.is_empty() {
        flags |= libc::AT_EMPTY_PATH.unsigned_abs();
    }
    if recursive {
        flags |= libc::AT_RECURSIVE.unsigned_abs();
    }
    // SAFETY: the text ends with a NUL and outlives the call.
    descriptor(unsafe {
        libc::syscall(libc::SYS_open_tree, folder.as_raw_fd(), source.as_ptr(), flags)
    })
}

/// A detached copy of the mount at a path of this process.
pub(crate) fn clone_path(source: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let source = CString::new(source.as_os_str().as_encoded_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    clone_tree(nix::fcntl::AT_FDCWD, &source, recursive)
}

/// Puts a mount, detached or not, over a place.
pub(crate) fn move_to(mount: impl AsFd, place: impl AsFd) -> io::Result<()> {
    // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    let flags: libc::c_uint = 0x4 | 0x40;
    // SAFETY: the texts end with a NUL and outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_fd().as_raw_fd(),
            EMPTY.as_ptr(),
            place.as_fd().as_raw_fd(),
            EMPTY.as_ptr(),
            flags,
        )
    };
    Errno::result(done)?;
    Ok(())
}

/// Changes attributes of a mount, or of it and all below.
pub(crate) fn set_attributes(
    mount: impl AsFd,
    set: u64,
    clear: u64,
    recursive: bool,
) -> io::Result<()> {
    change(mount, &MountAttr { set, clear, ..MountAttr::default() }, recursive)
}

/// Changes how events of a mount travel; `kind` is one of `MS_SHARED` and its kin.
pub(crate) fn set_propagation(mount: impl AsFd, kind: u64, recursive: bool) -> io::Result<()> {
    change(mount, &MountAttr { propagation: kind, ..MountAttr::default() }, recursive)
}

fn change(mount: impl AsFd, wanted: &MountAttr, recursive: bool) -> io::Result<()> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the structure is as long as is said, and outlives the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            EMPTY.as_ptr(),
            flags,
            std::ptr::from_ref(wanted),
            size_of::<MountAttr>(),
        )
    };
    Errno::result(done)?;
    Ok(())
}

/// A filesystem to be mounted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filesystem<'a> {
    pub kind: &'a str,
    pub source: &'a str,
    /// Attributes of the mount.
    pub attributes: u64,
    /// Options without a value.
    pub flags: &'a [&'static str],
    /// The filesystem's own, each `key=value` or `key`.
    pub data: &'a [String],
}

const SET_FLAG: u32 = 0;
const SET_STRING: u32 = 1;
const CREATE: u32 = 6;

/// Makes a filesystem's mount, detached. When the filesystem says why it refused, the
/// error does.
pub(crate) fn make(filesystem: &Filesystem<'_>) -> io::Result<OwnedFd> {
    let kind = text(filesystem.kind)?;
    let cloexec: libc::c_uint = 1;
    // SAFETY: the text ends with a NUL and outlives the call.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), cloexec) })?;
    configure(&context, filesystem).map_err(|error| with_reason(&context, &error))?;
    // SAFETY: only numbers are given.
    descriptor(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), cloexec, filesystem.attributes)
    })
    .map_err(|error| with_reason(&context, &error))
}

fn configure(context: &OwnedFd, filesystem: &Filesystem<'_>) -> io::Result<()> {
    if !filesystem.source.is_empty() {
        set(context, SET_STRING, Some("source"), Some(filesystem.source))?;
    }
    // The attribute is the mount's alone; mount(2) makes the filesystem read-only too.
    if filesystem.attributes & attr::RDONLY != 0 {
        set(context, SET_FLAG, Some("ro"), None)?;
    }
    for flag in filesystem.flags {
        set(context, SET_FLAG, Some(flag), None)?;
    }
    for option in filesystem.data {
        match option.split_once('=') {
            Some((key, value)) => set(context, SET_STRING, Some(key), Some(value))?,
            None => set(context, SET_FLAG, Some(option), None)?,
        }
    }
    set(context, CREATE, None, None)
}

fn set(context: &OwnedFd, command: u32, key: Option<&str>, value: Option<&str>) -> io::Result<()> {
    let key = key.map(text).transpose()?;
    let value = value.map(text).transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: the texts end with a NUL and outlive the call; absent ones are null.
    let done = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(&key),
            pointer(&value),
            0,
        )
    };
    match Errno::result(done) {
        Ok(_) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The first line of the filesystem's own log, which a descriptor of fsopen holds.
fn with_reason(context: &OwnedFd, error: &io::Error) -> io::Error {
    let mut line = [0; 256];
    let read = context
        .try_clone()
        .and_then(|copy| std::fs::File::from(copy).read(&mut line))
        .unwrap_or_default();
    let reason = String::from_utf8_lossy(line.get(..read).unwrap_or_default());
    // Lines begin with their kind, as in "e tmpfs: Bad value".
    let reason = reason.trim_end().get(2..).unwrap_or_default().to_owned();
    if reason.is_empty() {
        return io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EINVAL));
    }
    io::Error::new(error.kind(), format!("{error} ({reason})"))
}
