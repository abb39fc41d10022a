//! `CopyFile`: writes files, folders and symbolic links for containers, a chunk at a
//! time, below one folder and nowhere else. Every step of a path is opened by itself
//! and may not be a symbolic link, so nothing that lies in the folder can lead out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path};

use kata_agent_api::agent::CopyFileRequest;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, renameat};
use nix::libc;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat};
use protobuf::well_known_types::empty::Empty;

use super::Fault;
use crate::server::Agent;

/// Parent folders when the request does not say.
const PARENT_MODE: u32 = 0o750;

/// Bytes that Linux takes in one step of a path.
const LONGEST_NAME: usize = 255;

/// Bytes that Linux takes in a path, or in what a symbolic link holds.
const LONGEST_PATH: usize = 4095;

pub(super) async fn call(agent: &Agent, request: CopyFileRequest) -> Result<Empty, Fault> {
    let root = agent.paths.shared_containers();
    // The folder may be a filesystem of the host, which can be slow.
    let copied = tokio::task::spawn_blocking(move || copy(&root, &request)).await;
    copied.map_err(|error| Fault::internal("can't copy the file")(io::Error::other(error)))??;
    Ok(Empty::new())
}

/// Writes what `request` holds below `root`.
fn copy(root: &Path, request: &CopyFileRequest) -> Result<(), Fault> {
    let names = names_below(root, &request.path)?;
    let Some((name, parents)) = names.split_last() else {
        return Err(Fault::InvalidArgument("the shared folder itself can't be copied".to_owned()));
    };
    let failed = |error: Errno| fault(&request.path, error);
    std::fs::create_dir_all(root)
        .map_err(Fault::internal(format!("can't make {}", root.display())))?;
    let mut folder: OwnedFd =
        File::open(root).map_err(Fault::internal(format!("can't open {}", root.display())))?.into();
    for parent in parents {
        folder = enter(&folder, parent, request.dir_mode & 0o777).map_err(failed)?;
    }
    match request.file_mode & libc::S_IFMT {
        libc::S_IFDIR => make_folder(&folder, name, request).map_err(failed),
        libc::S_IFLNK => {
            check_text("the target of the symbolic link", &request.data)?;
            make_link(&folder, name, request).map_err(failed)
        }
        0 | libc::S_IFREG => write_chunk(&folder, name, request),
        other => Err(Fault::InvalidArgument(format!(
            "{} has the file type {other:o}; there are files, folders and symbolic links",
            request.path
        ))),
    }
}

/// The steps from the folder to the file; none may lead upwards.
fn names_below<'a>(root: &Path, path: &'a str) -> Result<Vec<&'a OsStr>, Fault> {
    let outside = || Fault::InvalidArgument(format!("{path:?} is not below {}", root.display()));
    check_text("the path", path.as_bytes())?;
    let below = Path::new(path).strip_prefix(root).map_err(|_| outside())?;
    below
        .components()
        .map(|component| match component {
            Component::Normal(name) if name.len() > LONGEST_NAME => Err(Fault::InvalidArgument(
                format!("{path:?} has a name of more than {LONGEST_NAME} bytes"),
            )),
            Component::Normal(name) => Ok(name),
            _ => Err(outside()),
        })
        .collect()
}

/// What Linux takes as a path or as the target of a symbolic link.
fn check_text(what: &str, text: &[u8]) -> Result<(), Fault> {
    if text.is_empty() || text.len() > LONGEST_PATH || text.contains(&0) {
        return Err(Fault::InvalidArgument(format!(
            "{what} has no byte, more than {LONGEST_PATH}, or a zero among them"
        )));
    }
    Ok(())
}

fn fault(path: &str, error: Errno) -> Fault {
    match error {
        Errno::ELOOP | Errno::EXDEV => {
            Fault::InvalidArgument(format!("{path:?} leads through a symbolic link"))
        }
        // ENXIO: a pipe that nobody reads, or a socket.
        Errno::ENOTDIR | Errno::EISDIR | Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENXIO => {
            Fault::FailedPrecondition(format!("{path:?} is there and is something else: {error}"))
        }
        other => Fault::internal(format!("can't write {path:?}"))(other.into()),
    }
}

fn open(folder: &OwnedFd, name: &OsStr, flags: OFlag, mode: u32) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .mode(Mode::from_bits_truncate(mode))
        .resolve(resolve);
    openat2(folder, name, how)
}

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

/// Opens a folder, which is made if it is not there.
fn enter(folder: &OwnedFd, name: &OsStr, mode: u32) -> nix::Result<OwnedFd> {
    match open(folder, name, FOLDER, 0) {
        Err(Errno::ENOENT) => {
            mkdirat(folder, name, Mode::S_IRWXU)?;
            let made = open(folder, name, FOLDER, 0)?;
            set_mode(&made, if mode == 0 { PARENT_MODE } else { mode })?;
            Ok(made)
        }
        other => other,
    }
}

fn make_folder(folder: &OwnedFd, name: &OsStr, request: &CopyFileRequest) -> nix::Result<()> {
    let made = enter(folder, name, 0)?;
    fchown(&made, owner(request), group(request))?;
    set_mode(&made, request.file_mode & 0o7777)
}

fn make_link(folder: &OwnedFd, name: &OsStr, request: &CopyFileRequest) -> nix::Result<()> {
    // Where the link points is the container's business: it is never followed here.
    let temporary = temporary(name);
    remove(folder, &temporary)?;
    symlinkat(OsStr::from_bytes(&request.data), folder, temporary.as_os_str())?;
    let done = fchownat(
        folder,
        temporary.as_os_str(),
        owner(request),
        group(request),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )
    .and_then(|()| renameat(folder, temporary.as_os_str(), folder, name));
    if done.is_err() {
        let _ = remove(folder, &temporary);
    }
    done
}

fn write_chunk(folder: &OwnedFd, name: &OsStr, request: &CopyFileRequest) -> Result<(), Fault> {
    let path = request.path.as_str();
    let failed = |error: Errno| fault(path, error);
    let refused = |error: io::Error| Fault::internal(format!("can't write {path:?}"))(error);
    let (offset, size) = match (u64::try_from(request.offset), u64::try_from(request.file_size)) {
        (Ok(offset), Ok(size)) => (offset, size),
        _ => return Err(Fault::InvalidArgument(format!("{path:?} has a negative size or offset"))),
    };
    let length = request.data.len() as u64;
    let end = offset.checked_add(length).filter(|end| *end <= size).ok_or_else(|| {
        Fault::InvalidArgument(format!(
            "{length} bytes at {offset} do not fit into {path:?} of {size} bytes"
        ))
    })?;
    let temporary = temporary(name);
    // A first chunk starts afresh: whatever lies there is from a copy that broke off.
    // The kernel refuses a mode where nothing is made. Whatever else lies there, a
    // pipe or a terminal, is neither waited for nor taken.
    let common = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let (flags, mode) = if offset == 0 {
        remove(folder, &temporary).map_err(failed)?;
        (common | OFlag::O_CREAT | OFlag::O_EXCL, 0o600)
    } else {
        (common, 0)
    };
    let file = match open(folder, &temporary, flags, mode) {
        Err(Errno::ENOENT) => {
            return Err(Fault::FailedPrecondition(format!("{path:?} has no first chunk")));
        }
        other => File::from(other.map_err(failed)?),
    };
    let there = file.metadata().map_err(refused)?;
    // A file with a second name may be somebody else's.
    if !there.is_file() || there.nlink() != 1 {
        return Err(Fault::FailedPrecondition(format!(
            "what is there of {path:?} so far is not a file of its own"
        )));
    }
    if there.size() < offset {
        return Err(Fault::FailedPrecondition(format!(
            "{path:?} has {} bytes so far, and the chunk is for {offset}",
            there.size()
        )));
    }
    file.write_all_at(&request.data, offset).map_err(refused)?;
    if end < size {
        return Ok(());
    }
    // Owner first: changing it takes the set-id bits away.
    fchown(&file, owner(request), group(request)).map_err(failed)?;
    file.set_permissions(PermissionsExt::from_mode(request.file_mode & 0o7777)).map_err(refused)?;
    let done = renameat(folder, temporary.as_os_str(), folder, name);
    if done.is_err() {
        let _ = remove(folder, &temporary);
    }
    done.map_err(failed)
}

/// A name next to the real one that no container would use. Always the same for the
/// same file, since its chunks arrive one by one.
fn temporary(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".kata-copy.");
    temporary.push(name);
    if temporary.len() <= LONGEST_NAME {
        return temporary;
    }
    // Too long with the real name in it. Nobody sees the number or keeps it, so it
    // need not be the same in the next agent.
    let mut hash = DefaultHasher::new();
    name.hash(&mut hash);
    format!(".kata-copy-{:016x}", hash.finish()).into()
}

fn remove(folder: &OwnedFd, name: &OsStr) -> nix::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

fn set_mode(folder: &OwnedFd, mode: u32) -> nix::Result<()> {
    nix::sys::stat::fchmod(folder, Mode::from_bits_truncate(mode))
}

/// Negative means "leave it".
fn owner(request: &CopyFileRequest) -> Option<Uid> {
    u32::try_from(request.uid).ok().map(Uid::from_raw)
}

fn group(request: &CopyFileRequest) -> Option<Gid> {
    u32::try_from(request.gid).ok().map(Gid::from_raw)
}

#[cfg(test)]
mod tests;
