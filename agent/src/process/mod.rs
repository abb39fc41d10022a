//! Processes of containers, as the agent's clients know them: their standard
//! streams and their end. Knows no container and no RPC.

mod ending;
mod forward;
mod handover;
mod streams;
#[cfg(test)]
mod tests;
mod wiring;

pub use ending::Ending;
pub use handover::Handover;
pub use streams::{StreamError, Streams};
pub use wiring::{Ends, Ports};
