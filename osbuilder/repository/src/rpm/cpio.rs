//! The payload: a cpio archive (newc), or rpm's own form of it, in which the
//! headers hold only a file's number. Finds where each file's bytes lie; it
//! copies nothing and does not know what becomes of them.

use std::collections::HashMap;
use std::ops::Range;

use super::error::FileError;
use super::files::{FileKind, RpmEntry};

const NEWC: &[u8] = b"070701";
/// newc with checksums of the contents, which nobody writes into packages.
const NEWC_CRC: &[u8] = b"070702";
const STRIPPED: &[u8] = b"07070X";
/// Bytes of a newc header, of which each of 13 fields after the magic has 8.
const HEADER: usize = 110;
/// Bytes of a stripped header: the magic and a file's number.
const STRIPPED_HEADER: usize = 14;
const TRAILER: &[u8] = b"TRAILER!!!";

/// Where the bytes of each file lie in the payload; `None` for files that the
/// payload does not hold, or only as a further link of another.
///
/// `links` are the sets of hard links; the bytes are given for the first of each
/// set, wherever the archive has them.
pub(super) fn contents(
    payload: &[u8],
    entries: &[RpmEntry],
    links: &[Vec<usize>],
) -> Result<Vec<Option<Range<usize>>>, FileError> {
    let bad = |reason| Err(FileError::Archive(reason));
    let by_path: HashMap<&str, usize> =
        entries.iter().enumerate().map(|(i, entry)| (entry.path.as_str(), i)).collect();
    if by_path.len() != entries.len() {
        return bad("two of its files have one path");
    }
    // The set that a linked file belongs to.
    let mut set_of: HashMap<usize, usize> = HashMap::new();
    for (set, members) in links.iter().enumerate() {
        set_of.extend(members.iter().map(|&member| (member, set)));
    }
    let mut seen = vec![false; entries.len()];
    let mut found: Vec<Option<Range<usize>>> = vec![None; entries.len()];
    let mut rest = Cursor { bytes: payload, at: 0 };
    loop {
        let magic = payload.get(rest.at..rest.at.saturating_add(6)).unwrap_or_default();
        let (file, size) = match magic {
            NEWC | NEWC_CRC => {
                let header = rest.take(HEADER)?;
                let (size, name_size) = (field(header, 6)?, field(header, 11)?);
                let name = rest.take(name_size)?;
                let name = name.strip_suffix(b"\0").unwrap_or(name);
                rest.align();
                if name == TRAILER {
                    break;
                }
                let name = name.strip_prefix(b".").unwrap_or(name);
                let name = name.strip_prefix(b"/").unwrap_or(name);
                let file = std::str::from_utf8(name).ok().and_then(|name| by_path.get(name));
                let Some(&file) = file else {
                    return bad("it holds a file that the header does not know");
                };
                (file, size)
            }
            STRIPPED => {
                let header = rest.take(STRIPPED_HEADER)?;
                let file = hexadecimal(&header[6..])?;
                rest.align();
                let Some(entry) = entries.get(file) else {
                    return bad("it holds a file that the header does not know");
                };
                // Of hard links the last in header order has the bytes.
                let last = set_of.get(&file).and_then(|&set| links[set].last());
                let has_bytes = match entry.kind {
                    FileKind::Regular => last.is_none_or(|&last| last == file),
                    FileKind::Symlink => true,
                    _ => false,
                };
                let size = if has_bytes { entry.size } else { 0 };
                (file, usize::try_from(size).map_err(|_| cut_off())?)
            }
            _ => return bad("it is damaged or cut off"),
        };
        let entry = &entries[file];
        if entry.ghost || std::mem::replace(&mut seen[file], true) {
            return bad("it holds a file twice, or one that is marked as absent");
        }
        let start = rest.at;
        rest.take(size)?;
        rest.align();
        let range = start..start + size;
        match entry.kind {
            FileKind::Symlink if payload[range.clone()] != *entry.target.as_bytes() => {
                return bad("it holds a symbolic link that the header tells otherwise");
            }
            FileKind::Symlink => {}
            FileKind::Regular => {
                let first = set_of.get(&file).and_then(|&set| links[set].first());
                // A further link has no bytes of its own.
                if first.is_none() || size > 0 {
                    if u64::try_from(size).ok() != Some(entry.size) {
                        return bad("it holds a file of another size than the header tells");
                    }
                    found[first.copied().unwrap_or(file)] = Some(range);
                }
            }
            _ if size > 0 => return bad("it holds bytes for something that is no file"),
            _ => {}
        }
    }
    for (i, entry) in entries.iter().enumerate() {
        if !entry.ghost && !seen[i] {
            return bad("it lacks a file that the header tells of");
        }
    }
    // Empty files may be linked too; then no link had bytes.
    for set in links {
        let first = set[0];
        if found[first].is_none() {
            if entries[first].size > 0 {
                return bad("it lacks the bytes of a file with several links");
            }
            found[first] = Some(0..0);
        }
    }
    Ok(found)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], FileError> {
        let end = self.at.checked_add(size).ok_or_else(cut_off)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(cut_off)?;
        self.at = end;
        Ok(taken)
    }

    /// Headers and contents begin at multiples of four.
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(4);
    }
}

fn cut_off() -> FileError {
    FileError::Archive("it is damaged or cut off")
}

/// A field of a newc header by its place after the magic.
fn field(header: &[u8], place: usize) -> Result<usize, FileError> {
    hexadecimal(&header[6 + place * 8..14 + place * 8])
}

fn hexadecimal(digits: &[u8]) -> Result<usize, FileError> {
    let text = std::str::from_utf8(digits).ok();
    let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    text.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or_else(cut_off)
}
