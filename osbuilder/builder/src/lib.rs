//! From a recipe to a guest artifact: choose mirrors, solve packages, fill the
//! tree, write the initrd or image with its manifest.
//!
//! The top room of osbuilder. It knows nothing of virtual machines, of how the
//! agent is compiled, or of terminals.

mod accounts;
mod assemble;
mod build;
pub mod bundle;
mod chosen;
pub mod contents;
pub mod diff;
mod elf;
mod error;
pub mod explain;
pub mod extension;
mod folder;
#[cfg(test)]
mod guest_summary_tests;
mod inputs;
pub mod lock;
mod manifest;
mod mirrors;
mod output;
mod packages;
pub mod provenance;
mod reasons;
mod release;
mod rpm_source;
pub mod sbom;
mod stock;
mod write;

pub use build::{Agent, BuildRequest, Built, build};
pub use elf::{AgentFileError, check_agent_file};
pub use error::BuildError;
pub use extension::{BuiltExtension, ExtensionManifest, ExtensionRequest, build_extension};
pub use folder::{RecipeFolder, distros};
pub use lock::{Changes, LockRequest, Locked, lock};
pub use manifest::{Artifact, Manifest, MirrorRecord, PackageRecord, VerityRecord};
pub use mirrors::{LocalMirror, MirrorChoice};
pub use output::{abandon_partial_files, digest_file};
pub use packages::apt_source;
pub use stock::{Stock, StockRequest, Vendored, fetch, vendor};
