//! Fuzz target: two packages' archives in one tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rootfs::fuzzing::pair(bytes));
