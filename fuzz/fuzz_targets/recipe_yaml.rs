//! Fuzz target: a recipe.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recipe::fuzzing::recipe(bytes));
