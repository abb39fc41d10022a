//! Members of a small tar segment (signatures, control data, index). apk cuts
//! one archive into streams, so a segment may lack the end-of-archive blocks.
//! File trees of packages are not read here.

use std::io::Read;

use super::error::ApkError;

/// More members than any signature, control or index segment has.
const MAX_MEMBERS: usize = 256;

/// One file of a segment.
pub(super) struct Member {
    /// Its name as written.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its modification time, in seconds since 1970.
    pub mtime: u64,
}

/// Reads all files of `tar`, which is already bounded in memory.
pub(super) fn members(tar: &[u8], what: &'static str) -> Result<Vec<Member>, ApkError> {
    let broken = |error: std::io::Error| ApkError::Tar { what, reason: error.to_string() };
    let mut archive = tar::Archive::new(tar);
    let mut found = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if found.len() == MAX_MEMBERS {
            let reason = format!("it has more than {MAX_MEMBERS} files");
            return Err(ApkError::Tar { what, reason });
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mtime = entry.header().mtime().map_err(broken)?;
        let size = entry.size();
        let mut bytes = Vec::new();
        // Nothing in a segment can be larger than the segment itself.
        let limit = u64::try_from(tar.len()).unwrap_or(u64::MAX);
        entry.take(limit).read_to_end(&mut bytes).map_err(broken)?;
        if u64::try_from(bytes.len()).ok() != Some(size) {
            return Err(ApkError::Tar { what, reason: format!("{name} is cut off") });
        }
        found.push(Member { name, bytes, mtime });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(files: usize) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for i in 0..files {
            let mut header = tar::Header::new_ustar();
            header.set_size(3);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("f{i}"), &b"abc"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn no_damage_makes_it_panic_or_grow() {
        let tar = segment(2);
        assert_eq!(members(&tar, "test").unwrap().len(), 2);
        // The header's sum hides most damage, so it is made to fit again.
        for at in 0..512 {
            for byte in [0, b'1', b'7', b'L', b'S', b'x', 0x80, 0xff] {
                let mut damaged = tar.clone();
                damaged[at] = byte;
                let mut header = tar::Header::new_old();
                header.as_mut_bytes().copy_from_slice(&damaged[..512]);
                header.set_cksum();
                damaged[..512].copy_from_slice(header.as_bytes());
                for member in members(&damaged, "test").unwrap_or_default() {
                    assert!(member.bytes.len() <= tar.len());
                }
            }
        }
    }

    #[test]
    fn too_many_files_are_refused() {
        assert_eq!(members(&segment(MAX_MEMBERS), "test").unwrap().len(), MAX_MEMBERS);
        let error = members(&segment(MAX_MEMBERS + 1), "test").err().unwrap();
        assert!(error.to_string().ends_with("it has more than 256 files"), "{error}");
    }
}
