//! Answers about a guest without building it: why something is in it (`why`),
//! where its bytes are (`sizes`, drawn by `treemap`), what a build would do
//! (`plan`).
//!
//! All but `plan` work on the manifest and the list of contents beside an
//! artifact. Nothing here writes a file or knows a terminal.

mod beside;
mod plan;
mod sizes;
mod treemap;
mod why;

pub use beside::{Beside, BesideError, CONTENTS, MANIFEST, artifact_path, contents};
pub use plan::{Plan, PlanRequest, Planned, plan};
pub(crate) use sizes::human;
pub use sizes::{Change, Share, Sizes, compare};
pub use treemap::{html, svg};
pub use why::{Step, Why, WhyError, why};
