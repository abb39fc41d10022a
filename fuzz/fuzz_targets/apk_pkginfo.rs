//! Fuzz target: `.PKGINFO` and apk's dependencies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repository::fuzzing::apk::pkginfo(bytes));
