//! All writers against independent readers, in one program to link.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod ext4;
mod initrd;
mod judge;
mod verity;
