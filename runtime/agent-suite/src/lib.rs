//! Calls the RPCs of an agent in a live guest, and sees that they do what they say: real
//! containers of busybox and of Debian, with everything that a runtime asks of them.
//!
//! It knows the agent's API and no hypervisor: whoever starts the guest says where the
//! agent is. Each case stands alone, leaves nothing behind, and has a deadline.
//! [`bench`] measures with the same containers.

pub mod bench;
mod cases;
mod container;
mod guest;
mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use kata_agent_api::connect::Address;
use tokio::time::{Instant, timeout};

pub use trouble::Trouble;

use guest::Guest;

/// Longer than any case takes on a host without hardware virtualisation.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where the agent is, and what the cases may use.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The agent's address.
    pub address: Address,
    /// A statically linked busybox, of the host.
    pub busybox: PathBuf,
    /// A disk's node in the guest, such as `/dev/vda1`, with Debian's files in ext4.
    pub debian: Option<String>,
    /// Only cases whose names contain this.
    pub only: Option<String>,
}

/// How a case went.
#[derive(Debug)]
pub struct Outcome {
    /// The case's name.
    pub name: &'static str,
    /// What was not as it should be.
    pub trouble: Option<Trouble>,
    /// How long it took.
    pub took: Duration,
}

/// Names of all cases, in their order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    cases::all().into_iter().map(|case| case.name).collect()
}

/// Runs the cases one after the other in a guest that has a sandbox already, and tells
/// `each` how it went.
///
/// # Errors
///
/// [`Trouble`] when the cases can't begin at all.
pub async fn run(
    setting: &Setting,
    each: &mut (dyn FnMut(&Outcome) + Send),
) -> Result<Vec<Outcome>, Trouble> {
    let guest = Guest::connect(setting).await?;
    guest.furnish().await?;
    let mut outcomes = Vec::new();
    for case in cases::all() {
        if setting.only.as_deref().is_some_and(|only| !case.name.contains(only)) {
            continue;
        }
        let begun = Instant::now();
        let trouble = match timeout(PATIENCE, (case.run)(&guest)).await {
            Ok(done) => done.err(),
            Err(_) => Some(Trouble::Wrong(format!("it is not done after {PATIENCE:?}"))),
        };
        let outcome = Outcome { name: case.name, trouble, took: begun.elapsed() };
        each(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
