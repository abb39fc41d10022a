//! Fuzz target: the tar archive of an apk's control data.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::apk::tar_segment(bytes));
