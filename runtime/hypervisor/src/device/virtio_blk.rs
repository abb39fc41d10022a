//! A raw file as a virtio block device.

use std::path::{Path, PathBuf};

use super::regular_file_size;

/// The unit a disk is addressed in, in bytes.
pub const SECTOR: u64 = 512;

/// Bytes of the longest serial number, by virtio's standard.
pub const LONGEST_SERIAL: usize = 20;

/// A disk as a caller asks for it.
#[derive(Debug, Clone)]
pub struct VirtioBlkConfig {
    /// The raw image file.
    pub path: PathBuf,
    /// Refuse writes of the guest.
    pub read_only: bool,
    /// By which the guest knows this disk from others, if it is to.
    pub serial: Option<String>,
}

/// A disk made of whole sectors.
#[derive(Debug, Clone)]
pub struct VirtioBlk {
    path: PathBuf,
    read_only: bool,
    serial: Option<String>,
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
    /// The guest would see another serial number, or none.
    #[error(
        "{0:?} is no serial number of a disk: 1 to {LONGEST_SERIAL} letters, digits, dashes, dots \
         and underscores"
    )]
    Serial(String),
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
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let good = |text: &String| (1..=LONGEST_SERIAL).contains(&text.len());
        if let Some(serial) = &self.serial
            && !(good(serial) && serial.bytes().all(plain))
        {
            return Err(VirtioBlkError::Serial(serial.clone()));
        }
        Ok(VirtioBlk { path: self.path, read_only: self.read_only, serial: self.serial })
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

    /// By which the guest knows this disk from others.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
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
            VirtioBlkConfig { path: path.clone(), read_only: true, serial: None }.validate()
        };
        assert!(of_size(1024).unwrap().read_only());
        assert!(matches!(of_size(0), Err(VirtioBlkError::PartialSector { .. })));
        assert!(matches!(of_size(513), Err(VirtioBlkError::PartialSector { size: 513, .. })));
    }
    #[test]
    fn serial_numbers_are_short_and_plain() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(512).unwrap();
        let with = |serial: &str| {
            let (path, serial) = (disk.path().into(), Some(serial.to_owned()));
            VirtioBlkConfig { path, read_only: true, serial }.validate()
        };
        assert_eq!(with("extension-0123456789").unwrap().serial(), Some("extension-0123456789"));
        for wrong in ["", "extension-01234567890", "a,b", "a b"] {
            assert!(matches!(with(wrong), Err(VirtioBlkError::Serial(_))), "{wrong}");
        }
    }
}
