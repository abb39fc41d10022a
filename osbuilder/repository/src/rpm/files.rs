//! The list of files in a package's header: parallel arrays, turned into one
//! value a file and checked. It does not know the payload.

use std::collections::BTreeMap;

use super::error::FileError;
use super::package_file::RpmParts;
use super::tags;

/// Most files of one package.
const MAX_FILES: usize = 500_000;
/// Longest path that a package may have, in bytes.
const MAX_PATH: usize = 4096;

/// `%ghost`: a name that the package owns, without a file in it.
const GHOST: u64 = 1 << 6;
/// `%config`.
const CONFIG: u64 = 1;

/// What a file is, by the top bits of its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Regular,
    Directory,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RpmEntry {
    /// Path without a slash at its start.
    pub path: String,
    pub kind: FileKind,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    pub size: u64,
    pub mtime: u64,
    pub user: String,
    pub group: String,
    /// Target of a symbolic link.
    pub target: String,
    /// Digest in hexadecimal; empty where there is none.
    pub digest: String,
    /// Capabilities as text; empty where there are none.
    pub capabilities: String,
    /// Device and inode on the building machine: equal for hard links.
    pub inode: (u64, u64),
    pub rdev: u64,
    pub ghost: bool,
    pub config: bool,
}

/// The paths of all files, without a slash at their starts, in header order.
pub(super) fn paths(parts: &RpmParts<'_>) -> Result<Vec<String>, FileError> {
    let bad = |reason| Err(FileError::Files(reason));
    let names = parts.strings_or_none(tags::BASE_NAMES)?;
    let folders = parts.strings_or_none(tags::DIR_NAMES)?;
    let indexes = parts.header.numbers(tags::DIR_INDEXES).unwrap_or_default();
    if names.len() > MAX_FILES {
        return bad("there are more than 500000");
    }
    if names.len() != indexes.len() {
        return bad("names and folders differ in number");
    }
    let mut paths = Vec::with_capacity(names.len());
    for (name, index) in names.iter().zip(indexes) {
        let folder = usize::try_from(index).ok().and_then(|index| folders.get(index));
        let Some(folder) = folder else { return bad("a folder is missing") };
        let path = folder.len() + name.len();
        if path > MAX_PATH {
            return bad("a path is longer than 4096 bytes");
        }
        if !folder.starts_with('/') || name.contains('/') {
            return bad("a path is not absolute");
        }
        paths.push(format!("{}{name}", &folder[1..]));
    }
    Ok(paths)
}

/// All files in header order.
pub(super) fn entries(parts: &RpmParts<'_>) -> Result<Vec<RpmEntry>, FileError> {
    let paths = paths(parts)?;
    let count = paths.len();
    let numbers = |tag: u32, required: bool| match parts.header.numbers(tag) {
        Some(numbers) if numbers.len() == count => Ok(numbers),
        None if !required || count == 0 => Ok(vec![0; count]),
        _ => Err(FileError::Files("a list of numbers is missing or differs in length")),
    };
    let strings = |tag: u32, required: bool| {
        let strings = parts.strings_or_none(tag)?;
        match strings.len() {
            length if length == count => Ok(strings),
            0 if !required => Ok(vec![""; count]),
            _ => Err(FileError::Files("a list of texts is missing or differs in length")),
        }
    };
    let modes = numbers(tags::FILE_MODES, true)?;
    let sizes = match parts.header.has(tags::LONG_FILE_SIZES) {
        true => numbers(tags::LONG_FILE_SIZES, true)?,
        false => numbers(tags::FILE_SIZES, true)?,
    };
    let mtimes = numbers(tags::FILE_MTIMES, true)?;
    let flags = numbers(tags::FILE_FLAGS, false)?;
    let rdevs = numbers(tags::FILE_RDEVS, false)?;
    let devices = numbers(tags::FILE_DEVICES, false)?;
    let inodes = numbers(tags::FILE_INODES, false)?;
    let users = strings(tags::FILE_USER, true)?;
    let groups = strings(tags::FILE_GROUP, true)?;
    let targets = strings(tags::FILE_LINK_TOS, false)?;
    let digests = strings(tags::FILE_DIGESTS, false)?;
    let capabilities = strings(tags::FILE_CAPS, false)?;
    let mut entries = Vec::with_capacity(count);
    for (i, path) in paths.into_iter().enumerate() {
        let mode = u32::try_from(modes[i] & 0xffff).unwrap_or(0);
        let kind = match mode & 0o170_000 {
            0o100_000 => FileKind::Regular,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink,
            0o010_000 => FileKind::Fifo,
            0o020_000 => FileKind::CharDevice,
            0o060_000 => FileKind::BlockDevice,
            _ => return Err(FileError::Files("one is of a kind that no package has")),
        };
        entries.push(RpmEntry {
            path,
            kind,
            mode: mode & 0o7777,
            size: sizes[i],
            mtime: mtimes[i],
            user: users[i].to_owned(),
            group: groups[i].to_owned(),
            target: targets[i].to_owned(),
            digest: digests[i].to_owned(),
            capabilities: capabilities[i].to_owned(),
            // Without inode numbers there are no hard links.
            inode: (devices[i], if inodes[i] == 0 { u64::MAX - i as u64 } else { inodes[i] }),
            rdev: rdevs[i],
            ghost: flags[i] & GHOST != 0,
            config: flags[i] & CONFIG != 0,
        });
    }
    Ok(entries)
}

/// The files that are hard links of each other, in header order: which of them
/// each names. Lone files are not listed.
pub(super) fn hard_links(entries: &[RpmEntry]) -> Vec<Vec<usize>> {
    let mut sets: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        if entry.kind == FileKind::Regular && !entry.ghost {
            sets.entry(entry.inode).or_default().push(i);
        }
    }
    sets.into_values().filter(|set| set.len() > 1).collect()
}
