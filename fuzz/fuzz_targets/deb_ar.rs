//! Fuzz target: the `ar` container around a .deb.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::ar(bytes));
