//! Fuzz target: the order of Alpine's versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::apk::version(bytes));
