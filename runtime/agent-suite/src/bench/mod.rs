//! What an agent costs in a live guest: memory with more and more containers, the time of
//! calls, containers and further processes, the speed of streams, and whether anything
//! stays behind after a thousand containers have come and gone.
//!
//! It measures and judges growth; it sets no limit to any time, since machines differ.

mod cycles;
mod footprint;
mod measured;
mod pace;
mod spread;
mod table;

pub use footprint::Footprint;
pub use measured::{AIM_BINARY, AIM_RESIDENT, After, Measured, Stream, Timed};
pub use spread::Spread;

use crate::Setting;
use crate::guest::Guest;
use crate::trouble::Trouble;

/// How much is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Containers that are made, started, waited for and removed, one after the other.
    pub cycles: u32,
    /// How many containers are there at once when memory is looked at, ascending.
    pub held: Vec<u32>,
    /// Calls of each kind.
    pub calls: u32,
    /// Further processes, one after the other, in one container.
    pub execs: u32,
    /// Bytes through each stream.
    pub stream: u32,
}

impl Plan {
    /// The usual one, with so many cycles.
    #[must_use]
    pub fn usual(cycles: u32) -> Self {
        Self { cycles, held: vec![1, 10, 50], calls: 500, execs: 500, stream: 16 << 20 }
    }

    /// One that shows in seconds that everything can be measured.
    #[must_use]
    pub fn brief() -> Self {
        Self { cycles: 20, held: vec![1, 3], calls: 20, execs: 20, stream: 1 << 20 }
    }
}

/// Measures an agent that has a sandbox already and no container. `step` is told what
/// comes next.
///
/// # Errors
///
/// [`Trouble`] when a call fails, or a stream loses bytes. Growth is no error here: it is
/// in [`Measured::grown`].
pub async fn bench(
    setting: &Setting,
    plan: &Plan,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<Measured, Trouble> {
    let guest = Guest::connect(setting).await?;
    let boot = Footprint::of(&guest).await?;
    step("calls");
    let mut times = pace::calls(&guest, plan.calls).await?;
    guest.furnish().await?;
    step("containers at once");
    let held = cycles::held(&guest, &plan.held, &mut times).await?;
    step("further processes");
    let execs = cycles::execs(&guest, plan, &mut times).await?;
    step("streams");
    let streams = pace::streams(&guest, plan.stream).await?;
    let cycles = cycles::cycles(&guest, plan.cycles, &mut times, step).await?;
    Ok(Measured { boot, held, times, streams, execs, cycles })
}
