//! Bytes that a hostile server could send, for the tests of parsers.
//!
//! The seeds of the fuzz targets (`fuzz/seeds/TARGET/`) go through the same
//! entry points in plain tests, whole and mutated, so that neither seeds nor
//! targets rot where nobody has a nightly compiler. It is a dependency of tests
//! only and must not know any parser.

mod edit;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

pub use edit::{Edit, edits};

/// A fuzz target: its name, which is that of its folder of seeds and of its
/// program in `fuzz/fuzz_targets`, and what it does with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Mutated inputs for each target in one run of the tests.
const MUTATIONS: u32 = 256;

/// The folder of the fuzz targets' workspace.
#[must_use]
pub fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The seeds of a target with their paths, in the order of their names.
///
/// # Panics
/// Where it has none: a target without seeds proves little.
#[must_use]
pub fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no seed", folder.display());
    paths
        .into_iter()
        .map(|path| match fs::read(&path) {
            Ok(bytes) => (path, bytes),
            Err(error) => panic!("{}: {error}", path.display()),
        })
        .collect()
}

/// The tests of a crate's targets: each seed, and damaged ones.
#[macro_export]
macro_rules! tests {
    ($targets:expr) => {
        #[test]
        fn seeds_go_through_their_targets() {
            $crate::replay($targets);
        }

        #[test]
        fn damaged_seeds_do_no_harm() {
            $crate::mutate($targets);
        }
    };
}

/// Sends every seed of every target through it.
///
/// # Panics
/// Where a target panics, has no seeds, or is no program of `fuzz/`.
pub fn replay(targets: &[Target]) {
    for (name, run) in targets {
        let program = fuzz_folder().join("fuzz_targets").join(format!("{name}.rs"));
        assert!(program.is_file(), "{} is missing", program.display());
        for (path, bytes) in seeds(name) {
            println!("{}", path.display());
            run(&bytes);
        }
    }
}

/// Sends damaged seeds and plain noise through every target.
///
/// # Panics
/// With the smallest input found that makes a target panic.
pub fn mutate(targets: &[Target]) {
    for (name, run) in targets {
        let seeds: Vec<Vec<u8>> = seeds(name).into_iter().map(|(_, bytes)| bytes).collect();
        let noise = prop::collection::vec(any::<u8>(), 0..600);
        let damaged = (select(seeds), edits()).prop_map(|(seed, edits)| edit::apply(seed, &edits));
        // The same inputs in every run; looking for new ones is libFuzzer's work.
        let config = Config {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(1),
            ..Config::with_cases(MUTATIONS)
        };
        let result = TestRunner::new(config).run(&prop_oneof![1 => noise, 9 => damaged], |bytes| {
            run(&bytes);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{name}: {error}");
        }
    }
}
