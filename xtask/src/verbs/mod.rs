//! One file a verb.

pub(crate) mod bench;
pub(crate) mod boot;
pub(crate) mod build_agent;
pub(crate) mod build_extension;
pub(crate) mod build_image;
pub(crate) mod build_kernel;
pub(crate) mod bundle;
pub(crate) mod ci;
pub(crate) mod diff;
pub(crate) mod fetch;
pub(crate) mod fuzz;
pub(crate) mod lock;
pub(crate) mod mirror;
pub(crate) mod plan;
pub(crate) mod repro;
pub(crate) mod setup;
pub(crate) mod show;
pub(crate) mod sizes;
pub(crate) mod stand_in;
pub(crate) mod store;
pub(crate) mod tidy;
pub(crate) mod vendor;
pub(crate) mod why;
