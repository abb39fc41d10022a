//! A raw file as a virtio block device.

use std::path::{Path, PathBuf};

use super::regular_file_size;

/// The unit a disk is addressed in, in bytes.
pub const SECTOR: u64 = 512;

/// A disk as a caller asks for it.
#[derive(Debug, Clone)]
pub struct VirtioBlkConfig {
    /// The raw image file.
    pub path: PathBuf,
    /// Refuse writes of the guest.
    pub read_only: bool,
}

/// A disk made of whole sectors.
#[derive(Debug, Clone)]
pub struct VirtioBlk {
    path: PathBuf,
    read_only: bool,
}

/// Why a disk is refused.
#[derive(Debug, thiserror::Error)]
pub enum VirtioBlkError {
    /// The file can't be read.
    #[error("cannot read the disk image {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The last sector would be cut.
    #[error("the disk image {path} has {size} bytes, which is not a multiple of 512 above zero")]
    PartialSector {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl VirtioBlkConfig {
    /// Checks the file and its size.
    ///
    /// # Errors
    /// See [`VirtioBlkError`].
    pub fn validate(self) -> Result<VirtioBlk, VirtioBlkError> {
        let size = match regular_file_size(&self.path) {
            Ok(size) => size,
            Err(source) => return Err(VirtioBlkError::Unreadable { path: self.path, source }),
        };
        if size == 0 || !size.is_multiple_of(SECTOR) {
            return Err(VirtioBlkError::PartialSector { path: self.path, size });
        }
        Ok(VirtioBlk { path: self.path, read_only: self.read_only })
    }
}

impl VirtioBlk {
    /// The raw image file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether writes of the guest are refused.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_whole_sectors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let of_size = |size| {
            std::fs::File::create(&path).unwrap().set_len(size).unwrap();
            VirtioBlkConfig { path: path.clone(), read_only: true }.validate()
        };
        assert!(of_size(1024).unwrap().read_only());
        assert!(matches!(of_size(0), Err(VirtioBlkError::PartialSector { .. })));
        assert!(matches!(of_size(513), Err(VirtioBlkError::PartialSector { size: 513, .. })));
    }
}
