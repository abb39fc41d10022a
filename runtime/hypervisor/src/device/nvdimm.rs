//! A file mapped into the guest as non-volatile memory, read-only: the guest
//! mounts it with DAX and so runs programs straight from the host's page cache.

use std::path::{Path, PathBuf};

use super::regular_file_size;

/// Sizes are multiples of this: the alignment the image's own pfn superblock
/// declares, and the size of the huge pages the guest maps it with.
pub const ALIGNMENT: u64 = 2 * 1024 * 1024;

/// An NVDIMM as a caller asks for it.
#[derive(Debug, Clone)]
pub struct NvdimmConfig {
    /// The image file.
    pub path: PathBuf,
}

/// An NVDIMM whose size the guest can map.
#[derive(Debug, Clone)]
pub struct Nvdimm {
    path: PathBuf,
    size: u64,
}

/// Why an NVDIMM is refused.
#[derive(Debug, thiserror::Error)]
pub enum NvdimmError {
    /// The file can't be read.
    #[error("cannot read the image {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The size can't be mapped.
    #[error(
        "the image {path} has {size} bytes; an NVDIMM needs a multiple of 2 MiB above zero, so pad \
         the image or attach it as a virtio-blk disk"
    )]
    Unaligned {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl NvdimmConfig {
    /// Checks the file and its size.
    ///
    /// # Errors
    /// See [`NvdimmError`].
    pub fn validate(self) -> Result<Nvdimm, NvdimmError> {
        let size = match regular_file_size(&self.path) {
            Ok(size) => size,
            Err(source) => return Err(NvdimmError::Unreadable { path: self.path, source }),
        };
        if size == 0 || !size.is_multiple_of(ALIGNMENT) {
            return Err(NvdimmError::Unaligned { path: self.path, size });
        }
        Ok(Nvdimm { path: self.path, size })
    }
}

impl Nvdimm {
    /// The image file.
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
    fn sizes_are_whole_huge_pages() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let of_size = |size| {
            std::fs::File::create(&path).unwrap().set_len(size).unwrap();
            NvdimmConfig { path: path.clone() }.validate()
        };
        assert_eq!(of_size(2 * ALIGNMENT).unwrap().size(), 2 * ALIGNMENT);
        assert!(matches!(of_size(0), Err(NvdimmError::Unaligned { size: 0, .. })));
        assert!(matches!(of_size(ALIGNMENT + 4096), Err(NvdimmError::Unaligned { .. })));
    }
}
