//! Small files that prove their own bytes: remembered indexes, derived values,
//! and the digests behind other identities.
//!
//! A record is one line with the SHA-256 of its key and payload, then the
//! payload. A damaged record, or one that was moved to another key's name, is
//! removed and counts as absent. This file must not know what payloads mean.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::StoreError;
use crate::layout::Layout;

/// The digest in hexadecimal and a line feed.
const HEADER: usize = 65;
/// Nothing that is kept as a record comes near this many bytes.
const LIMIT: u64 = 1 << 30;

fn seal(key: &str, payload: &[u8]) -> String {
    let mut hasher = Sha256::new();
    // The key's length first, so that no byte can move from key to payload.
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(payload);
    hex::encode(hasher.finalize())
}

/// The payload under `key`, where there is a whole one.
pub(crate) fn read(layout: &Layout, kind: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = layout.record(kind, key);
    let bytes = match read_capped(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(&path, error)),
    };
    if let Some((header, payload)) = bytes.split_at_checked(HEADER)
        && let Some(digest) = header.strip_suffix(b"\n")
        && digest == seal(key, payload).as_bytes()
    {
        return Ok(Some(payload.to_vec()));
    }
    tracing::warn!(path = %path.display(), "removing a damaged record from the store");
    match fs::remove_file(&path) {
        // Another process was faster.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(&path, error)),
        _ => Ok(None),
    }
}

fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    // When it was last of use decides how long it stays; no reader depends on it.
    let _ = file.set_modified(SystemTime::now());
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a payload under `key`, replacing what was there in one step.
pub(crate) fn write(
    layout: &Layout,
    kind: &str,
    key: &str,
    payload: &[u8],
) -> Result<(), StoreError> {
    let path = layout.record(kind, key);
    let put = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(layout.tmp())?;
        writeln!(file, "{}", seal(key, payload))?;
        file.write_all(payload)?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    put().map_err(|source| StoreError::io(&path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_damaged_one_does_not() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        assert_eq!(read(&layout, "derived", "k").unwrap(), None);
        write(&layout, "derived", "k", b"first").unwrap();
        write(&layout, "derived", "k", b"value\n\0").unwrap();
        assert_eq!(read(&layout, "derived", "k").unwrap().unwrap(), b"value\n\0");

        let path = layout.record("derived", "k");
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..10], b""] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(&layout, "derived", "k").unwrap(), None);
            assert!(!path.exists(), "a damaged record must go");
        }
    }

    #[test]
    fn a_record_does_not_serve_another_key() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        write(&layout, "refs", "a", b"value").unwrap();
        fs::rename(layout.record("refs", "a"), layout.record("refs", "b")).unwrap();
        assert_eq!(read(&layout, "refs", "b").unwrap(), None);
        assert_eq!(read(&layout, "refs", "a").unwrap(), None);
    }

    #[test]
    fn a_record_that_cannot_be_written_names_its_path() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::open(temp.path()).unwrap();
        let error = write(&layout, "no such kind", "k", b"").unwrap_err();
        assert!(matches!(&error, StoreError::Io { path, .. } if path.starts_with(temp.path())));
    }
}
