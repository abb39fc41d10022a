//! Fuzz target: an .apk file's joined gzip streams and what is in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::apk::package(bytes));
