//! Fuzz target: apt's lists of mirrors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::host_sources(bytes));
