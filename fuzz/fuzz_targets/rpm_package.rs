//! Fuzz target: a package file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::package(bytes));
