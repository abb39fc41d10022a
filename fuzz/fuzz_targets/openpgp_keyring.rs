//! Fuzz target: a file of OpenPGP keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::openpgp::keyring(bytes));
