//! Fuzz target: the text of an APKINDEX.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::apk::index(bytes));
