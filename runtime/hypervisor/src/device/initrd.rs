//! The initial root file system handed to the kernel in memory.

use std::path::{Path, PathBuf};

use super::regular_file_size;

/// An initrd as a caller asks for it.
#[derive(Debug, Clone)]
pub struct InitrdConfig {
    /// The cpio archive, compressed or not.
    pub path: PathBuf,
}

/// An initrd that can be loaded.
#[derive(Debug, Clone)]
pub struct Initrd {
    path: PathBuf,
    size: u64,
}

/// Why an initrd is refused.
#[derive(Debug, thiserror::Error)]
pub enum InitrdError {
    /// The file can't be read.
    #[error("cannot read the initrd {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("the initrd {0} is empty")]
    Empty(PathBuf),
}

impl InitrdConfig {
    /// Checks the file.
    ///
    /// # Errors
    /// See [`InitrdError`].
    pub fn validate(self) -> Result<Initrd, InitrdError> {
        match regular_file_size(&self.path) {
            Ok(0) => Err(InitrdError::Empty(self.path)),
            Ok(size) => Ok(Initrd { path: self.path, size }),
            Err(source) => Err(InitrdError::Unreadable { path: self.path, source }),
        }
    }
}

impl Initrd {
    /// The archive file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_with_bytes_is_an_initrd() {
        let dir = tempfile::tempdir().unwrap();
        let initrd = |name: &str| InitrdConfig { path: dir.path().join(name) }.validate();
        std::fs::write(dir.path().join("full"), "070701").unwrap();
        std::fs::write(dir.path().join("empty"), "").unwrap();
        assert_eq!(initrd("full").unwrap().size(), 6);
        assert!(matches!(initrd("empty"), Err(InitrdError::Empty(_))));
        assert!(matches!(initrd("none"), Err(InitrdError::Unreadable { .. })));
    }
}
