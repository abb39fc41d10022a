//! Fuzz target: what the kernel says of devices.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kata_agent::fuzzing::uevent(bytes));
