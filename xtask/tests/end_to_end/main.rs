//! The main job end to end, on the real thing: the xtask binary in this very
//! checkout builds guests, boots them under QEMU and talks to their agents.
//!
//! Compiled only with the feature `end-to-end`; `cargo xtask ci` runs it:
//!
//! ```text
//! cargo nextest run -p xtask -p kata-agent-ctl --features xtask/end-to-end
//! ```
//!
//! It takes the packages, kernel and tools that the checkout has or can get.
//! `KATA_TEST_KERNEL` names another kernel than build-kernel's.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod artifacts;
mod checkout;
mod foreign;
mod project;
mod readme;
// The name puts its tests into the group of .config/nextest.toml that starts few
// virtual machines at a time.
mod guest;
