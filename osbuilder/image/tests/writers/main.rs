//! All writers against independent readers, in one program to link.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod erofs;
mod ext4;
mod facts;
mod initrd;
mod judge;
mod oci;
mod tar;
mod trees;
mod verity;
