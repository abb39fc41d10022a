//! Debian packages and repositories: control syntax, Release and Packages, the
//! signature chain from a keyring down to a .deb's bytes, and the .deb itself.
//! No maintainer script is ever run, and nothing here chooses packages.

mod ar;
pub mod archive;
pub mod cache;
pub mod control;
mod date;
pub mod fetch;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod host_sources;
pub mod packages;
mod relations;
pub mod release;
pub mod repository;
pub mod suites;

#[cfg(test)]
mod roundtrips;
#[cfg(test)]
mod tests;

pub use archive::{Control, DebError, DebFile};
pub use fetch::{PayloadError, payload, requests};
pub use repository::{DebSource, RepositoryError, open};
pub use suites::open_suites;
