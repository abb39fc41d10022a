//! Tests that start virtual machines.

mod agent_ctl;
mod boots;
mod failures;
mod forms;
mod stand_ins;
