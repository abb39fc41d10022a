//! Fuzz target: a package's archive, merged into a tree.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rootfs::fuzzing::merge(bytes));
