//! Fuzz target: boolean dependencies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::expression(bytes));
