//! Alpine's packages and repositories, format v2 of apk.
//!
//! What the format is: a file is a row of gzip streams, each holding a piece of
//! one tar archive. `APKINDEX.tar.gz` is a signature stream followed by the
//! index; a package is a signature stream, a control stream (`.PKGINFO` and
//! scripts) and a data stream. Trust runs from a key given by the caller over
//! the signature of the index to the SHA-1 of each package's control stream,
//! and from there by the `datahash` of `.PKGINFO` (SHA-256) to its files.
//! Signatures in packages are not looked at: the index vouches for them.
//!
//! `install_if` (the index's `i:`) is ignored: only what was asked for, and what
//! that needs, is ever chosen.
//!
//! These modules know nothing of recipes, trees or images.

mod checksum;
mod constraint;
mod error;
pub mod fetch;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gzip;
mod index;
mod keys;
mod package_file;
mod pkginfo;
mod repository;
mod tar_segment;

pub use checksum::{format_checksum, parse_checksum};
pub use error::ApkError;
pub use index::{VerifiedIndex, read_index};
pub use keys::Keys;
pub use package_file::{ApkFile, check_package, read_package};
pub use pkginfo::PkgInfo;
pub use repository::{ApkSource, open};

#[cfg(test)]
mod tests;
