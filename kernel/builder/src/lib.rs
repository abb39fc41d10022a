//! Builds a guest kernel from a verified source and config fragments.
//!
//! It fetches through [`artifact_store`] and reads Debian's source package
//! through [`repository`]; it must not know recipes, images, agents or
//! hypervisors. The order of work is: tools, fragments, key, source, `.config`,
//! proof, build. Whatever can fail cheaply fails first, and nothing is left
//! half done: every output gets its name when its bytes are complete.

mod configure;
mod dotconfig;
mod edit;
mod error;
mod extract;
mod fragment;
mod kconfig;
mod key;
mod make;
mod manifest;
mod pipeline;
mod proof;
mod reason;
mod source;
mod spec;
mod tools;

pub use configure::{Configured, configure};
pub use dotconfig::DotConfig;
pub use error::KernelError;
pub use fragment::{Fragment, FragmentError, Place, Requested, Setting, merge, parse};
pub use kconfig::{Kconfig, KconfigError};
pub use pipeline::{Built, build};
pub use proof::{Lost, Proof, prove};
pub use reason::Reason;
pub use spec::{BuildOptions, KernelSpec, Source, fragments_in};
pub use tools::{MissingTool, install_command, missing_tools};
