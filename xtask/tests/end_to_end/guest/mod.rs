//! Tests that start virtual machines.

mod agent_ctl;
mod boots;
mod console;
mod extension;
mod failures;
mod forms;
mod running;
mod stand_ins;
