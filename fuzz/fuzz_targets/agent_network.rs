//! Fuzz target: requests about the network, and the kernel's answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kata_agent::fuzzing::network(bytes));
