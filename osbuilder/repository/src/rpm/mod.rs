//! RPM packages and repositories: repomd.xml and what vouches for it, the index
//! files that it lists, and the package file with its headers, signatures and
//! payload. No script is ever run, nothing here chooses packages, and modules and
//! weak dependencies are left out.
//!
//! Trust runs from a key or a pinned digest over repomd.xml to the digests of
//! its index files and from there to the SHA-256 of each package. Where a
//! distribution signs packages only, each package's signed header is held
//! against what the index said before anything of it is used.

mod archive;
mod capabilities;
mod cpio;
mod dependencies;
mod error;
mod fetch;
mod filelists;
mod files;
mod files_needed;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header;
mod modules;
mod package_file;
mod primary;
mod repomd;
mod repository;
mod rich;
mod tags;
mod xml;

#[cfg(test)]
mod hostile_tests;

pub use archive::RpmFile;
pub use error::{FileError, IndexError, RpmError};
pub use fetch::{PayloadError, check, payload, requests};
pub use package_file::Proof;
pub use repository::{RpmSource, Trust, open};
