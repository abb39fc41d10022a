//! Fuzz target: lists of modules.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::modules(bytes));
