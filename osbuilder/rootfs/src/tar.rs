//! Reading an uncompressed tar archive that lies in memory as a whole.
//!
//! Knows ustar, GNU long names and PAX records, and turns each member into an
//! [`Entry`] whose content is a range of the archive: nothing is copied. The
//! bytes come from the network, so every number is checked and nothing here
//! panics. It must not know the tree or what may be merged into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::content::Content;
use crate::merge::{Entry, EntryKind};

const BLOCK: usize = 512;
/// Longest GNU long name taken, in bytes: a path and its terminator.
const LONG_NAME_MAX: usize = 4097;
/// Largest block of PAX records taken, in bytes.
const PAX_MAX: usize = 1 << 20;

/// Why an archive can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// It ends inside a member.
    #[error("the archive is truncated at byte {0}")]
    Truncated(usize),
    /// A header whose checksum doesn't fit.
    #[error("there is no valid tar header at byte {0}")]
    Header(usize),
    /// A number that can't be read or is out of range.
    #[error("field `{field}` of the tar header at byte {at} can't be read or is out of range")]
    Number {
        /// Name of the field.
        field: &'static str,
        /// Where the header starts.
        at: usize,
    },
    /// A name that is no UTF-8. Trees hold text only: a name that reads
    /// differently to different tools is none that a package needs.
    #[error("a name in the tar header at byte {0} is not UTF-8")]
    Encoding(usize),
    /// Extension records that don't parse or are too large.
    #[error("the extended header at byte {0} is malformed or too large")]
    Extension(usize),
    /// A member of a kind no package needs.
    #[error("`{path}` is {kind}, which is not supported in packages")]
    Kind {
        /// The member's path.
        path: String,
        /// What it is.
        kind: String,
    },
}

/// Walks the members of an archive.
pub(crate) struct Reader {
    archive: Arc<Vec<u8>>,
    at: usize,
    /// Path of the member that is being read, or was read last, as far as it is
    /// known; for messages only.
    path: String,
}

/// What extension headers said about the member that follows them.
#[derive(Default)]
struct Extension {
    path: Option<String>,
    /// The path for messages, also where it is no text.
    shown: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    user: Option<String>,
    group: Option<String>,
    mtime: Option<i64>,
    xattrs: BTreeMap<String, Vec<u8>>,
    sparse: bool,
}

impl Reader {
    pub(crate) fn new(archive: Arc<Vec<u8>>) -> Self {
        Self { archive, at: 0, path: String::new() }
    }

    /// Path of the member that was read last or could not be read; what is no
    /// text in it is escaped.
    pub(crate) fn into_path(self) -> String {
        self.path
    }

    /// The next member, or `None` at the end: two zero blocks, one zero block
    /// before the end, or the plain end of the bytes at a block boundary.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extension = Extension::default();
        let mut extended = false;
        loop {
            let start = self.at;
            let archive = Arc::clone(&self.archive);
            let Some(block) = archive.get(start..start.saturating_add(BLOCK)) else {
                let ended = start == archive.len() && !extended;
                return if ended { Ok(None) } else { Err(TarError::Truncated(archive.len())) };
            };
            if block.iter().all(|byte| *byte == 0) {
                return if extended { Err(TarError::Extension(start)) } else { Ok(None) };
            }
            let header = Header { block, start };
            header.verify()?;
            self.at = start + BLOCK;
            if extension.path.is_none() && !matches!(header.kind(), b'L' | b'K' | b'x' | b'g') {
                self.path = shown(header.field(0..100));
            }
            match header.kind() {
                b'L' => {
                    let range = self.data(header.size()?, LONG_NAME_MAX)?;
                    let name = archive.get(range).unwrap_or_default();
                    self.path = shown(name);
                    extension.path = Some(text(name, start)?);
                }
                b'K' => {
                    let range = self.data(header.size()?, LONG_NAME_MAX)?;
                    let target = archive.get(range).unwrap_or_default();
                    extension.link = Some(text(target, start)?);
                }
                b'x' => {
                    let range = self.data(header.size()?, PAX_MAX)?;
                    let read = extension.pax(archive.get(range).unwrap_or_default(), start);
                    if let Some(shown) = extension.shown.take() {
                        self.path = shown;
                    }
                    read?;
                }
                b'g' => {
                    // Comments and the like are harmless; anything that would
                    // change members must not be passed over in silence.
                    let range = self.data(header.size()?, PAX_MAX)?;
                    let mut global = Extension::default();
                    global.pax(archive.get(range).unwrap_or_default(), start)?;
                    if global.changes_members() {
                        return Err(TarError::Extension(start));
                    }
                }
                _ => return self.member(&header, extension).map(Some),
            }
            extended |= header.kind() != b'g';
        }
    }

    fn member(&mut self, header: &Header<'_>, extension: Extension) -> Result<Entry, TarError> {
        let at = header.start;
        let path = match extension.path {
            Some(path) => path,
            None => header.path()?,
        };
        self.path.clone_from(&path);
        let link = match extension.link {
            Some(link) => link,
            None => header.link()?,
        };
        let refuse = |kind: &str| Err(TarError::Kind { path: path.clone(), kind: kind.to_owned() });
        if extension.sparse {
            return refuse("a sparse file");
        }
        let size = match extension.size {
            Some(size) => size,
            None => header.size()?,
        };
        let small =
            |field, value: u64| u32::try_from(value).map_err(|_| TarError::Number { field, at });
        let uid = extension.uid.map_or_else(|| header.unsigned("uid", 108..116), Ok)?;
        let gid = extension.gid.map_or_else(|| header.unsigned("gid", 116..124), Ok)?;
        let mtime = match extension.mtime {
            Some(mtime) => mtime,
            None => header.number("mtime", 136..148)?,
        };
        let mode = small("mode", header.unsigned("mode", 100..108)?)? & 0o7777;
        let kind = match header.kind() {
            b'0' | 0 if path.ends_with('/') => EntryKind::Directory,
            b'0' | b'7' | 0 => {
                let range = self.data(size, usize::MAX)?;
                let content = Content::slice(Arc::clone(&self.archive), range);
                EntryKind::File(content.ok_or(TarError::Truncated(self.archive.len()))?)
            }
            // Links and directories may state a size but carry no bytes.
            b'1' => EntryKind::HardLink(link),
            b'2' => EntryKind::Symlink(link),
            b'5' => EntryKind::Directory,
            b'3' => return refuse("a character device"),
            b'4' => return refuse("a block device"),
            b'6' => return refuse("a named pipe"),
            b'S' => return refuse("a sparse file"),
            other => return refuse(&format!("a tar member of type {:?}", char::from(other))),
        };
        let xattrs = extension.xattrs;
        let (uid, gid) = (small("uid", uid)?, small("gid", gid)?);
        let user = extension.user.unwrap_or_else(|| header.owner(265..297));
        let group = extension.group.unwrap_or_else(|| header.owner(297..329));
        Ok(Entry { path, kind, mode, uid, gid, user, group, mtime, xattrs })
    }

    /// Steps over a member's data and its padding; the range of the data.
    fn data(&mut self, size: u64, max: usize) -> Result<std::ops::Range<usize>, TarError> {
        let truncated = TarError::Truncated(self.archive.len());
        let size = usize::try_from(size).map_err(|_| truncated.clone())?;
        if size > max {
            return Err(TarError::Extension(self.at.saturating_sub(BLOCK)));
        }
        let end = self.at.checked_add(size).filter(|end| *end <= self.archive.len());
        let range = self.at..end.ok_or(truncated)?;
        // Missing padding shows when the next header starts past the end.
        self.at = range.end.next_multiple_of(BLOCK);
        Ok(range)
    }
}

/// One 512-byte header and where it starts.
struct Header<'a> {
    block: &'a [u8],
    start: usize,
}

impl Header<'_> {
    fn field(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.block.get(range).unwrap_or_default()
    }

    fn kind(&self) -> u8 {
        self.block.get(156).copied().unwrap_or_default()
    }

    fn verify(&self) -> Result<(), TarError> {
        let sum = |range| self.field(range).iter().map(|byte| u64::from(*byte)).sum::<u64>();
        // The checksum field itself counts as eight spaces.
        let expected = sum(0..148) + 8 * 32 + sum(156..512);
        match self.unsigned("checksum", 148..156) {
            Ok(stated) if stated == expected => Ok(()),
            _ => Err(TarError::Header(self.start)),
        }
    }

    fn size(&self) -> Result<u64, TarError> {
        self.unsigned("size", 124..136)
    }

    fn unsigned(&self, field: &'static str, at: std::ops::Range<usize>) -> Result<u64, TarError> {
        let value = self.number(field, at)?;
        u64::try_from(value).map_err(|_| TarError::Number { field, at: self.start })
    }

    /// Octal text, or GNU's base 256 when the top bit is set.
    fn number(&self, field: &'static str, at: std::ops::Range<usize>) -> Result<i64, TarError> {
        let bytes = self.field(at);
        let bad = TarError::Number { field, at: self.start };
        if let Some(first) = bytes.first().filter(|first| **first & 0x80 != 0) {
            // Two's complement, with the marker bit in place of the top one.
            let negative = first & 0x40 != 0;
            let mut value = i128::from(first & 0x3f) - if negative { 0x40 } else { 0 };
            for byte in bytes.iter().skip(1) {
                value = value.checked_mul(256).ok_or_else(|| bad.clone())? + i128::from(*byte);
            }
            return i64::try_from(value).map_err(|_| bad);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad.clone())?;
        let digits = text.split('\0').next().unwrap_or_default().trim_matches(' ');
        if digits.is_empty() {
            return Ok(0);
        }
        if !digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(bad);
        }
        i64::from_str_radix(digits, 8).map_err(|_| bad)
    }

    fn path(&self) -> Result<String, TarError> {
        let name = text(self.field(0..100), self.start)?;
        // Only POSIX ustar has a prefix; GNU keeps other things there.
        if self.field(257..263) != b"ustar\0" {
            return Ok(name);
        }
        let prefix = text(self.field(345..500), self.start)?;
        Ok(if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
    }

    /// The name of an owner. What can't be read as one names nobody.
    fn owner(&self, field: std::ops::Range<usize>) -> String {
        text(self.field(field), self.start).unwrap_or_default()
    }

    fn link(&self) -> Result<String, TarError> {
        text(self.field(157..257), self.start)
    }
}

impl Extension {
    /// Reads `LENGTH KEY=VALUE\n` records.
    fn pax(&mut self, mut records: &[u8], at: usize) -> Result<(), TarError> {
        let bad = || TarError::Extension(at);
        while !records.is_empty() {
            let space = records.iter().take(12).position(|byte| *byte == b' ').ok_or_else(bad)?;
            let digits = std::str::from_utf8(&records[..space]).map_err(|_| bad())?;
            let length: usize = digits.parse().map_err(|_| bad())?;
            let record = records.get(space + 1..length).ok_or_else(bad)?;
            let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let key = std::str::from_utf8(&record[..equals]).map_err(|_| bad())?;
            self.record(key, &record[equals + 1..], at)?;
            records = &records[length..];
        }
        Ok(())
    }

    fn record(&mut self, key: &str, value: &[u8], at: usize) -> Result<(), TarError> {
        let string = || {
            let text = std::str::from_utf8(value).map_err(|_| TarError::Encoding(at))?;
            Ok::<_, TarError>(text.to_owned())
        };
        let number = |field| string()?.parse().map_err(|_| TarError::Number { field, at });
        match key {
            "path" => {
                self.shown = Some(shown(value));
                self.path = Some(string()?);
            }
            "linkpath" => self.link = Some(string()?),
            "size" => self.size = Some(number("size")?),
            "uid" => self.uid = Some(number("uid")?),
            "gid" => self.gid = Some(number("gid")?),
            "uname" => self.user = Some(string()?),
            "gname" => self.group = Some(string()?),
            "mtime" => self.mtime = Some(whole_seconds(&string()?, at)?),
            _ if key.starts_with("GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                    self.xattrs.insert(name.to_owned(), value.to_vec());
                }
                // Other records (access times, apk's checksums, the same
                // attributes in other spellings) don't reach a guest.
            }
        }
        Ok(())
    }

    fn changes_members(&self) -> bool {
        let Self { path, shown: _, link, size, uid, gid, user, group, mtime, xattrs, sparse } =
            self;
        path.is_some()
            || link.is_some()
            || size.is_some()
            || uid.is_some()
            || gid.is_some()
            || user.is_some()
            || group.is_some()
            || mtime.is_some()
            || !xattrs.is_empty()
            || *sparse
    }
}

/// `-1.5` and `1700000000.25` rounded down to seconds.
fn whole_seconds(text: &str, at: usize) -> Result<i64, TarError> {
    let bad = || TarError::Number { field: "mtime", at };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let below = whole.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
    seconds.checked_sub(i64::from(below)).ok_or_else(bad)
}

/// The bytes up to the first NUL for a message: what is no text is escaped.
fn shown(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                out.extend(letter.escape_default());
            } else {
                out.push(letter);
            }
        }
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// The bytes up to the first NUL as text.
fn text(bytes: &[u8], at: usize) -> Result<String, TarError> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|_| TarError::Encoding(at))?;
    Ok(text.to_owned())
}
