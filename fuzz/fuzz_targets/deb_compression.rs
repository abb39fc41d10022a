//! Fuzz target: gzip, xz and zstd within a limit.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::deb::compression(bytes));
