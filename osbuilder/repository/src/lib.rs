//! Package repositories, as untrusted bytes until a signature chain says
//! otherwise: readers of indexes and packages (deb, apk, rpm), their signatures,
//! version orders and dependency solving. It fetches through
//! [`artifact_store`] and knows nothing of recipes, trees or images.

pub mod apk;
pub mod compression;
pub mod deb;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod index;
pub mod openpgp;
pub mod package;
pub mod rpm;
pub mod solve;
pub mod version;

pub use index::Index;
pub use package::{
    Comparison, Expression, Family, Identity, Package, Provide, Relation, Requirement, Rich,
};
