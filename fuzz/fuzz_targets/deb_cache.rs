//! Fuzz target: a Packages index as the store keeps it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::cache(bytes));
