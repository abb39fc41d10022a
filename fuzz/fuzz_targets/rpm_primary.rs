//! Fuzz target: primary.xml.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::rpm::primary(bytes));
