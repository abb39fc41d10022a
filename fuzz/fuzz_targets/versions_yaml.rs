//! Fuzz target: versions.yaml.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recipe::fuzzing::versions(bytes));
