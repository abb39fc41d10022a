//! Fuzz target: a Release file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::release(bytes));
