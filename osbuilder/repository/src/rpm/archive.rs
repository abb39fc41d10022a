//! From a proven package to its files as a tar archive: metadata from the
//! header, contents from the payload, each checked against its digest. `%ghost`
//! files are left out, since a package holds nothing of them. It does not know
//! the tree that takes the archive.

use std::collections::HashMap;

use super::capabilities;
use super::cpio;
use super::error::FileError;
use super::files::{self, FileKind, RpmEntry};
use super::package_file::{Proof, RpmParts, digest_of};
use super::tags;
use crate::package::Package;

const BLOCK: usize = 512;
/// Longest path and longest name of an owner that a plain tar header holds.
const SHORT_PATH: usize = 100;
const SHORT_NAME: usize = 31;

/// A package's file, unpacked in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmFile {
    /// Its files: a tar stream (pax). Owners are told by name; the numbers are 0.
    pub data_tar: Vec<u8>,
    /// Names of its scripts (`post`), which are never run.
    pub scripts: Vec<String>,
    /// Absolute paths of its configuration files.
    pub conffiles: Vec<String>,
    /// Fingerprints of the keys whose signatures over the package hold; empty
    /// where the index vouches for it.
    pub signed_by: Vec<String>,
}

/// Proves and unpacks the file of `package`.
pub(super) fn read(package: &Package, bytes: &[u8], proof: &Proof) -> Result<RpmFile, FileError> {
    let parts = RpmParts::read(bytes)?;
    let signed_by = parts.prove(package, proof)?;
    let entries = files::entries(&parts)?;
    let links = files::hard_links(&entries);
    let payload = parts.unpack(package.installed_size)?;
    let contents = cpio::contents(&payload, &entries, &links)?;
    let algorithm = parts.header.number(tags::FILE_DIGEST_ALGO).unwrap_or(1);
    let first_of: HashMap<usize, usize> =
        links.iter().flat_map(|set| set.iter().map(|&member| (member, set[0]))).collect();
    let size = payload.len().saturating_add(entries.len().saturating_mul(BLOCK));
    let mut tar = Tar { bytes: Vec::with_capacity(size) };
    for (i, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.ghost) {
        let first = first_of.get(&i).copied().unwrap_or(i);
        let content = match &contents[first] {
            Some(range) => &payload[range.clone()],
            None => &[],
        };
        if entry.kind == FileKind::Regular {
            check_digest(entry, algorithm, content)?;
        }
        let link = (first != i).then(|| entries[first].path.as_str());
        tar.entry(entry, content, link)?;
    }
    let scripts = tags::SCRIPTS.iter().filter(|(tag, _)| parts.header.has(*tag));
    Ok(RpmFile {
        data_tar: tar.finish(),
        scripts: scripts.map(|(_, name)| (*name).to_owned()).collect(),
        conffiles: entries.iter().filter(|e| e.config).map(|e| format!("/{}", e.path)).collect(),
        signed_by,
    })
}

/// MD5 digests of old packages prove nothing and are passed over: the digest of
/// the whole file or payload was checked before.
fn check_digest(entry: &RpmEntry, algorithm: u64, content: &[u8]) -> Result<(), FileError> {
    match digest_of(algorithm, content) {
        Some(actual) if !actual.eq_ignore_ascii_case(&entry.digest) => Err(FileError::File {
            path: entry.path.clone(),
            expected: entry.digest.clone(),
            actual,
        }),
        _ => Ok(()),
    }
}

/// Writes a tar archive into memory.
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn entry(
        &mut self,
        entry: &RpmEntry,
        content: &[u8],
        link: Option<&str>,
    ) -> Result<(), FileError> {
        let mut records = Vec::new();
        let mut header = tar::Header::new_ustar();
        let mut put = |key: &str, value: &str, room: usize| {
            let short = value.len() <= room && value.is_ascii();
            if !short {
                records.push((key.to_owned(), value.as_bytes().to_vec()));
            }
            short
        };
        let mut path = entry.path.clone();
        let (kind, size) = match (entry.kind, link) {
            (_, Some(_)) => (tar::EntryType::Link, 0),
            (FileKind::Regular, _) => (tar::EntryType::Regular, content.len() as u64),
            (FileKind::Directory, _) => {
                path.push('/');
                (tar::EntryType::Directory, 0)
            }
            (FileKind::Symlink, _) => (tar::EntryType::Symlink, 0),
            (FileKind::Fifo, _) => (tar::EntryType::Fifo, 0),
            (FileKind::CharDevice, _) => (tar::EntryType::Char, 0),
            (FileKind::BlockDevice, _) => (tar::EntryType::Block, 0),
        };
        let raw = header.as_mut_bytes();
        if put("path", &path, SHORT_PATH) {
            raw[..path.len()].copy_from_slice(path.as_bytes());
        }
        let target = link.unwrap_or(&entry.target);
        if (link.is_some() || entry.kind == FileKind::Symlink)
            && put("linkpath", target, SHORT_PATH)
        {
            raw[157..157 + target.len()].copy_from_slice(target.as_bytes());
        }
        for (key, name, at) in [("uname", &entry.user, 265), ("gname", &entry.group, 297)] {
            if put(key, name, SHORT_NAME) {
                raw[at..at + name.len()].copy_from_slice(name.as_bytes());
            }
        }
        header.set_entry_type(kind);
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(entry.mtime);
        header.set_size(size);
        if matches!(entry.kind, FileKind::CharDevice | FileKind::BlockDevice) {
            // Sixteen bits: the major number above the minor one.
            let number = |value: u64| u32::try_from(value & 0xff).unwrap_or(0);
            let device = header.as_ustar_mut().map(|header| {
                header.set_device_major(number(entry.rdev >> 8));
                header.set_device_minor(number(entry.rdev));
            });
            device.ok_or(FileError::Files("a device can't be told"))?;
        }
        // The attribute belongs to the file, which a link only names again.
        if link.is_none() && entry.kind == FileKind::Regular {
            let attribute = capabilities::attribute(&entry.capabilities)
                .map_err(|reason| FileError::Capabilities { path: entry.path.clone(), reason })?;
            if let Some(value) = attribute {
                records.push(("SCHILY.xattr.security.capability".to_owned(), value));
            }
        }
        self.extension(&records);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        if kind == tar::EntryType::Regular {
            self.bytes.extend_from_slice(content);
            self.pad();
        }
        Ok(())
    }

    /// A pax header with records about the entry that follows.
    fn extension(&mut self, records: &[(String, Vec<u8>)]) {
        if records.is_empty() {
            return;
        }
        let mut body = Vec::new();
        for (key, value) in records {
            // A record tells its own length, the digits of that included.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..9].copy_from_slice(b"PaxHeader");
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(&body);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}
