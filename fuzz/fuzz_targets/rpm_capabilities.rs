//! Fuzz target: capabilities of files as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::capabilities(bytes));
