//! tar segments and gzip streams as apk v2 wants them: ustar headers, per-file
//! checksums in PAX records, nothing in a stream that depends on the machine.
//! It does not know what a package is.

use std::io::{self, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha1::{Digest, Sha1};
use tar::{Builder, EntryType, Header};

use crate::installed::Access;

/// The PAX record in which apk keeps a file's SHA-1, in hexadecimal.
const CHECKSUM: &str = "APK-TOOLS.checksum.SHA1";

/// An archive being written.
pub(crate) struct Segment {
    builder: Builder<Vec<u8>>,
    /// The time of every entry, in seconds since 1970 UTC.
    time: u64,
}

impl Segment {
    /// An empty segment, all of whose entries bear `time`.
    pub(crate) fn new(time: u64) -> Self {
        Self { builder: Builder::new(Vec::new()), time }
    }

    fn header(&self, kind: EntryType, access: Access, size: usize) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(access.mode);
        header.set_uid(access.uid);
        header.set_gid(access.gid);
        // Other names than root's are the image's own matter; numbers say enough.
        if access.uid == 0 {
            header.set_username("root")?;
        }
        if access.gid == 0 {
            header.set_groupname("root")?;
        }
        header.set_mtime(self.time);
        header.set_size(u64::try_from(size).map_err(io::Error::other)?);
        Ok(header)
    }

    /// A file that belongs to root, without a checksum record.
    pub(crate) fn plain(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let access = Access { uid: 0, gid: 0, mode };
        let mut header = self.header(EntryType::Regular, access, content.len())?;
        self.builder.append_data(&mut header, Path::new(name), content)
    }

    /// A folder.
    pub(crate) fn folder(&mut self, path: &str, access: Access) -> io::Result<()> {
        let mut header = self.header(EntryType::Directory, access, 0)?;
        self.builder.append_data(&mut header, Path::new(&format!("{path}/")), io::empty())
    }

    /// A file with its checksum.
    pub(crate) fn file(&mut self, path: &str, access: Access, content: &[u8]) -> io::Result<()> {
        self.checksum(content)?;
        let mut header = self.header(EntryType::Regular, access, content.len())?;
        self.builder.append_data(&mut header, Path::new(path), content)
    }

    /// A symbolic link with the checksum of its target.
    pub(crate) fn symlink(&mut self, path: &str, access: Access, target: &[u8]) -> io::Result<()> {
        self.checksum(target)?;
        let mut header = self.header(EntryType::Symlink, access, 0)?;
        let text = std::str::from_utf8(target).map_err(io::Error::other)?;
        if header.set_link_name_literal(target).is_ok() {
            return self.builder.append_data(&mut header, Path::new(path), io::empty());
        }
        // Longer than a header has room for.
        self.builder.append_link(&mut header, Path::new(path), Path::new(text))
    }

    /// The PAX header that goes before a file. It has a name of its own, since apk
    /// takes a header without one for the end of the archive.
    fn checksum(&mut self, content: &[u8]) -> io::Result<()> {
        let digest = hex::encode(Sha1::digest(content));
        let body = format!(" {CHECKSUM}={digest}\n");
        // The length counts its own digits; here they are always two.
        let record = format!("{}{body}", body.len() + 2);
        let access = Access { uid: 0, gid: 0, mode: 0o644 };
        let mut header = self.header(EntryType::XHeader, access, record.len())?;
        header.set_path("PaxHeaders/checksum")?;
        header.set_cksum();
        self.builder.append(&header, record.as_bytes())
    }

    /// The segment, to be followed by others.
    pub(crate) fn open_ended(self) -> io::Result<Vec<u8>> {
        let mut bytes = self.ended()?;
        // The two empty blocks that end an archive.
        bytes.truncate(bytes.len() - 1024);
        Ok(bytes)
    }

    /// The segment as the last of an archive.
    pub(crate) fn ended(self) -> io::Result<Vec<u8>> {
        self.builder.into_inner()
    }
}

/// One gzip stream, without a time or a name.
pub(crate) fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}
