//! Fetching, verifying and keeping files by their digest.
//!
//! The one place of the guest builder that touches the network. It knows URLs,
//! digests and sizes; it must not know any package or image format, nor who
//! asks. Everything handed out was proven in this process: by its SHA-256, or
//! by a check that the caller brought along.

mod batch;
mod connector;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod index;
mod layout;
mod lease;
mod mirrors;
mod netrc;
mod options;
mod part;
mod progress;
mod proxy;
mod record;
mod request;
mod resolver;
mod store;
mod transfer;
mod upkeep;

pub use error::{Attempt, StoreError};
pub use mirrors::without_password;
pub use options::{StoreOptions, default_dir, default_netrc};
pub use progress::{Event, Progress, Silent};
pub use request::{Blob, Check, Expect, FetchedIndex, Request};
pub use store::Store;
pub use upkeep::{Collected, Entry, GcOptions, Kind, Verified};
