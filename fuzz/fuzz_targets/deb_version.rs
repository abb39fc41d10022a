//! Fuzz target: the order of Debian's versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::version(bytes));
