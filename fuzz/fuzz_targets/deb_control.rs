//! Fuzz target: control syntax, relations and dates.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::control(bytes));
