//! Fuzz target: the order of rpm's versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::version(bytes));
