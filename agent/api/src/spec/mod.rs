//! Specs of containers on the wire and as the OCI runtime specification has them,
//! in both directions. It must not know what either side does with a spec.

mod from_wire;
mod to_wire;

pub use from_wire::{SpecError, process, resources, spec};
pub use to_wire::{process_to_wire, resources_to_wire, spec_to_wire};
