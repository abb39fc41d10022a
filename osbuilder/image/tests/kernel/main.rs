//! What was written, mounted by the kernel of this machine and read back by GNU
//! tar. Only root can mount, so these tests are a feature of their own, which
//! `cargo xtask ci` turns on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../writers/facts.rs"]
mod facts;
mod mount;
#[path = "../writers/trees.rs"]
mod trees;
