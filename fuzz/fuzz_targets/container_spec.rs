//! Fuzz target: a container's spec, up to what the kernel would be asked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guest_container::fuzz_spec(bytes));
