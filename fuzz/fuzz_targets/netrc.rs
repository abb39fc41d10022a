//! Fuzz target: a netrc file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artifact_store::fuzzing::netrc(bytes));
