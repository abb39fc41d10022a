//! What is in a finished tree, entry by entry: `<artifact>.contents.json`.
//!
//! One line an entry, so that two lists compare well line by line. `why`,
//! `sizes` and `diff` read it, so that they need no image. It must not know
//! image formats, recipes or where packages came from.

use rayon::prelude::*;
use rootfs::{Inode, InodeId, Kind, Origin, Tree};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most bytes that [`Contents::parse`] reads: a list of several million entries.
pub const MAX_BYTES: usize = 1 << 30;

/// The form that this version writes and reads.
pub const FORMAT: u32 = 1;

/// Everything in a tree, in the order of its paths' bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Contents {
    /// Version of this form, 1.
    pub format: u32,
    /// Paths that give whoever runs them more rights: set-user-id, set-group-id
    /// or file capabilities.
    pub privileged: Vec<String>,
    /// The entries; the root is `/`.
    pub entries: Vec<Entry>,
}

/// One path of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// Absolute path, written as [`escape`] says.
    pub path: String,
    /// What it is.
    pub r#type: EntryType,
    /// Permission bits in octal, four digits at least: `0755`, `4755`.
    pub mode: String,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Bytes of a file; nothing for other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of a file's bytes, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-1 of a privileged file: SPDX 2.3 has no file without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Text of a symbolic link, written as [`escape`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The first path of the same file, for each further hard link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_link: Option<String>,
    /// `MAJOR:MINOR` of a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Names of extended attributes, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<String>,
    /// Who brought it: `package:NAME`, `recipe:NOUN` or `builder`.
    pub origin: String,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryType {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// Longer than any list that osbuilder writes.
    #[error("the list of contents is {0} bytes long, over the limit of {MAX_BYTES}")]
    TooLong(usize),
    /// No list, or of a form that this version does not know.
    #[error("it is no list of contents; build the artifact again to have one")]
    Form(#[source] serde_json::Error),
    /// Written by a later version.
    #[error("the list of contents has format {0}, this version reads {FORMAT}")]
    Version(u32),
}

impl Contents {
    /// Lists a finished tree. Files are hashed on all cores, each inode once;
    /// the result depends on the tree alone.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let mut first: BTreeMap<InodeId, &str> = BTreeMap::new();
        let walked: Vec<(&str, InodeId, &Inode)> = tree.walk().collect();
        for (path, id, _) in &walked {
            first.entry(*id).or_insert(path);
        }
        let files: Vec<(InodeId, &Inode)> = first
            .keys()
            .map(|id| (*id, tree.inode(*id)))
            .filter(|(_, inode)| matches!(inode.kind, Kind::File(_)))
            .collect();
        let digests: BTreeMap<InodeId, String> = files
            .par_iter()
            .filter_map(|(id, inode)| match &inode.kind {
                Kind::File(content) => Some((*id, hex::encode(Sha256::digest(content.as_slice())))),
                _ => None,
            })
            .collect();
        let entries: Vec<Entry> = walked
            .iter()
            .map(|(path, id, inode)| {
                let link = first.get(id).filter(|first| *first != path);
                entry(path, inode, digests.get(id), link.copied())
            })
            .collect();
        let privileged =
            entries.iter().filter(|entry| entry.is_privileged()).map(|e| e.path.clone()).collect();
        Self { format: FORMAT, privileged, entries }
    }

    /// The file's bytes: JSON with one line an entry.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = format!(
            "{{\n\"format\": {},\n\"privileged\": {},\n\"entries\": [",
            self.format,
            line(&self.privileged)
        );
        for (number, entry) in self.entries.iter().enumerate() {
            out.push_str(if number == 0 { "\n" } else { ",\n" });
            out.push_str(&line(entry));
        }
        out.push_str("\n]\n}\n");
        out.into_bytes()
    }

    /// Reads what [`Contents::to_json`] wrote.
    ///
    /// # Errors
    /// Text that is no list, one of another format, or one that is too long.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentsError> {
        if bytes.len() > MAX_BYTES {
            return Err(ContentsError::TooLong(bytes.len()));
        }
        let contents: Self = serde_json::from_slice(bytes).map_err(ContentsError::Form)?;
        if contents.format == FORMAT {
            Ok(contents)
        } else {
            Err(ContentsError::Version(contents.format))
        }
    }

    /// The entry at an absolute path (as [`escape`] writes it); a missing
    /// leading slash and a trailing one are forgiven.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let path = format!("/{}", path.trim_matches('/'));
        self.entries.iter().find(|entry| entry.path == path)
    }
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data becomes JSON")
}

impl Entry {
    /// Whether running it gives more rights than its caller has.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        let bits = u32::from_str_radix(&self.mode, 8).unwrap_or(0);
        // On a directory the set-group-id bit only hands the group down.
        self.r#type == EntryType::File
            && (bits & 0o6000 != 0 || self.xattrs.iter().any(|name| name == "security.capability"))
    }

    /// Name of the package that brought it, if one did.
    #[must_use]
    pub fn package(&self) -> Option<&str> {
        self.origin.strip_prefix("package:")
    }

    /// Bytes that it adds to the tree: a further hard link adds none.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        if self.hard_link.is_some() { 0 } else { self.size.unwrap_or(0) }
    }
}

fn entry(path: &str, inode: &Inode, sha256: Option<&String>, link: Option<&str>) -> Entry {
    let absolute = |path: &str| escape(format!("/{path}").as_bytes());
    let (kind, size, target, device) = match &inode.kind {
        Kind::Directory => (EntryType::Directory, None, None, None),
        Kind::File(content) => (EntryType::File, Some(content.len() as u64), None, None),
        Kind::Symlink(text) => (EntryType::Symlink, None, Some(escape(text.as_bytes())), None),
        Kind::CharDevice { major, minor } => {
            (EntryType::CharDevice, None, None, Some(format!("{major}:{minor}")))
        }
        Kind::BlockDevice { major, minor } => {
            (EntryType::BlockDevice, None, None, Some(format!("{major}:{minor}")))
        }
        Kind::Fifo => (EntryType::Fifo, None, None, None),
    };
    let mut entry = Entry {
        path: absolute(path),
        r#type: kind,
        mode: format!("{:04o}", inode.mode),
        uid: inode.uid,
        gid: inode.gid,
        size,
        sha256: sha256.cloned(),
        sha1: None,
        target,
        hard_link: link.map(absolute),
        device,
        xattrs: inode.xattrs.keys().cloned().collect(),
        origin: origin(&inode.origin),
    };
    if let (true, Kind::File(content)) = (entry.is_privileged(), &inode.kind) {
        entry.sha1 = Some(hex::encode(Sha1::digest(content.as_slice())));
    }
    entry
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Package(name) => format!("package:{name}"),
        Origin::Recipe(noun) => format!("recipe:{noun}"),
        Origin::Builder => "builder".to_owned(),
    }
}

/// A name of the guest as text: UTF-8 stays as it is, while a backslash, a
/// control character and each byte that is no UTF-8 become `\xNN` (two
/// lower-case digits a byte), so that no two names look the same.
#[must_use]
pub fn escape(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    let hex = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            write!(out, "\\x{byte:02x}").expect("a String takes everything");
        }
    };
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '\\' || letter.is_control() {
                hex(&mut out, letter.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(letter);
            }
        }
        hex(&mut out, chunk.invalid());
    }
    out
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
