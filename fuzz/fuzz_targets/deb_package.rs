//! Fuzz target: a whole .deb.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::package(bytes));
