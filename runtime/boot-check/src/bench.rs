//! Measures the agent of a guest that has booted.

use agent_suite::bench::{Measured, bench};
use agent_suite::{Setting, Trouble};
use kata_agent_api::connect::Address;

use crate::request::Bench;

/// Measures the agent at `address`. Every call has a deadline of its own.
pub(crate) async fn run(address: Address, asked: &Bench) -> Result<Measured, Trouble> {
    let setting = Setting { address, busybox: asked.busybox.clone(), debian: None, only: None };
    let mut step = |what: &str| tracing::info!("measuring: {what}");
    bench(&setting, &asked.plan, &mut step).await
}
