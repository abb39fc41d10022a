//! Fuzz target: a block of OpenPGP signatures.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::openpgp::signature(bytes));
