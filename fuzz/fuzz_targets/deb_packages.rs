//! Fuzz target: a Packages index.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::packages(bytes));
