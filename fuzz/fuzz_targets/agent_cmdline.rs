//! Fuzz target: the agent's kernel command line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kata_agent::fuzzing::cmdline(bytes));
