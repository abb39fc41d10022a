//! Builds tar archives byte by byte, so that tests can make wrong ones too.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;

/// An archive being written.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

/// The fields of one header that tests vary.
pub struct Member<'a> {
    /// Path.
    pub path: &'a str,
    /// Type flag.
    pub kind: u8,
    /// Permission bits.
    pub mode: u32,
    /// Link target.
    pub link: &'a str,
    /// Bytes.
    pub data: &'a [u8],
    /// Raw size field instead of the length of the bytes.
    pub size_field: Option<[u8; 12]>,
}

impl Archive {
    /// Adds any member.
    pub fn member(mut self, member: &Member<'_>) -> Self {
        let mut header = [0u8; 512];
        let mut set = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        set(0, member.path.as_bytes());
        set(100, format!("{:07o}\0", member.mode).as_bytes());
        set(108, b"0000000\0");
        set(116, b"0000000\0");
        set(124, format!("{:011o}\0", member.data.len()).as_bytes());
        if let Some(raw) = member.size_field {
            set(124, &raw);
        }
        set(136, format!("{:011o}\0", 1_700_000_000).as_bytes());
        set(148, b"        ");
        set(156, &[member.kind]);
        set(157, member.link.as_bytes());
        set(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(member.data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// Adds a member of a kind with a path and a link target.
    pub fn special(self, kind: u8, path: &str, link: &str) -> Self {
        self.member(&Member { path, kind, mode: 0o755, link, data: b"", size_field: None })
    }

    /// Adds a regular file.
    pub fn file(self, path: &str, data: &[u8]) -> Self {
        self.member(&Member { path, kind: b'0', mode: 0o644, link: "", data, size_field: None })
    }

    /// Adds a directory.
    pub fn directory(self, path: &str) -> Self {
        self.special(b'5', path, "")
    }

    /// Adds a symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.special(b'2', path, target)
    }

    /// Adds a hard link.
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.special(b'1', path, target)
    }

    /// Gives the next member a name of any length and bytes, as GNU tar does.
    pub fn long_name(self, name: &[u8]) -> Self {
        let data = [name, b"\0"].concat();
        let path = "././@LongLink";
        self.member(&Member { path, kind: b'L', mode: 0, link: "", data: &data, size_field: None })
    }

    /// Adds PAX records for the next member.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length.to_string().len() + rest != length {
                length = length.to_string().len() + rest;
            }
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        let path = "pax";
        self.member(&Member { path, kind: b'x', mode: 0, link: "", data: &data, size_field: None })
    }

    /// The archive with its end marker.
    pub fn finish(mut self) -> Arc<Vec<u8>> {
        self.bytes.extend_from_slice(&[0; 1024]);
        Arc::new(self.bytes)
    }

    /// The archive as far as it got.
    pub fn raw(self) -> Vec<u8> {
        self.bytes
    }
}
