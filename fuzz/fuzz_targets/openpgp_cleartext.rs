//! Fuzz target: a text with its signatures (InRelease).
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::openpgp::cleartext(bytes));
