//! Our tree against what the distro's own tools make of the same packages.
//! Every difference has a reason in a list beside the test; a reason that
//! explains nothing fails the test as well.
//!
//! They need the network, root or fakeroot, and for Alpine the wheel with an
//! installed one: compiled with the feature `end-to-end` only.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod alpine;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../../../mirror/tests/real_apk/apk.rs"]
mod apk;
mod debian;
mod image;
mod listing;
mod project;
mod reason;
