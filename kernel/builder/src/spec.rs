//! What to build, as the caller says it: plain values, not checked yet. Where
//! they are written down (a versions database, a command line) is not known
//! here.

use std::fs;
use std::path::{Path, PathBuf};

use repository::deb::DebSource;
use url::Url;

use crate::error::KernelError;

/// One kernel: where its source comes from and how it is configured.
#[derive(Debug, Clone)]
pub struct KernelSpec {
    /// The version, whole (`6.12.48`) or a series (`6.12`), of which the source
    /// then decides the last number. A source of another version is refused.
    pub version: String,
    /// Where the source comes from.
    pub source: Source,
    /// Config fragments, in the order in which they are read.
    pub fragments: Vec<PathBuf>,
    /// Patches in the unified format, applied in this order with one leading
    /// path component removed.
    pub patches: Vec<PathBuf>,
    /// The guest's architecture as Rust and `uname` spell it; only `x86_64`.
    pub architecture: String,
    /// The time that the kernel names as its own, in seconds since 1970 UTC.
    pub source_date_epoch: i64,
    /// The last part of the kernel's release and of the file names: `kata`
    /// gives `vmlinuz-6.12.48-kata`.
    pub flavour: String,
}

/// Where a kernel's source comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A tarball (`.tar`, `.tar.xz`) with one folder in it, as kernel.org
    /// publishes them.
    Tarball {
        /// Places to get it, tried in this order.
        urls: Vec<Url>,
        /// The digest of the whole file.
        sha256: [u8; 32],
    },
    /// A Debian package with `usr/src/<package>.tar.xz` inside, proven by the
    /// archive's signature.
    DebSource {
        /// The archive: mirrors, suite, keys.
        deb: DebSource,
        /// The package: `linux-source-6.12`.
        package: String,
    },
}

/// Where and how to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Sources and objects, kept from one build to the next. It may be deleted
    /// at any time.
    pub work_dir: PathBuf,
    /// The folder of the finished files.
    pub out_dir: PathBuf,
    /// How many compilers run at once; 0 is taken as 1.
    pub jobs: usize,
    /// Keep the objects of a finished build.
    pub keep_tree: bool,
    /// Ask the source's archive for a newer version, even where the outputs of
    /// the one built before are all there.
    pub update: bool,
}

/// All `*.conf` files of `dir/common` and `dir/<architecture>`, in the order of
/// their names.
///
/// # Errors
/// Where a folder cannot be read or holds no fragment.
pub fn fragments_in(dir: &Path, architecture: &str) -> Result<Vec<PathBuf>, KernelError> {
    let mut all = Vec::new();
    for folder in [dir.join("common"), dir.join(architecture)] {
        let before = all.len();
        let entries = fs::read_dir(&folder).map_err(|e| KernelError::io(&folder, e))?;
        for entry in entries {
            let path = entry.map_err(|e| KernelError::io(&folder, e))?.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                all.push(path);
            }
        }
        if all.len() == before {
            return Err(KernelError::NoFragments { folder });
        }
        all[before..].sort();
    }
    Ok(all)
}

/// Whether a source of `actual` version is what `asked` means: the same, or one
/// of its series.
pub(crate) fn version_matches(asked: &str, actual: &str) -> bool {
    let mut actual = actual.split('.');
    asked.split('.').all(|part| actual.next() == Some(part))
}

/// Whether a word can be part of a release, a file name and a make variable
/// without any quoting.
pub(crate) fn is_plain_word(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 32
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && word.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_takes_any_of_its_versions_and_a_version_only_itself() {
        assert!(version_matches("6.12", "6.12.48"));
        assert!(version_matches("6.12.48", "6.12.48"));
        assert!(!version_matches("6.12.4", "6.12.48"));
        assert!(!version_matches("6.1", "6.12.48"));
        assert!(!version_matches("6.12.48.1", "6.12.48"));
    }

    #[test]
    fn a_flavour_is_one_plain_word() {
        assert!(is_plain_word("kata"));
        assert!(is_plain_word("kata-debug"));
        for bad in ["", "-kata", "a b", "a/b", "a\"b", "$x"] {
            assert!(!is_plain_word(bad), "{bad}");
        }
    }

    #[test]
    fn fragments_come_in_the_order_of_folders_and_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["common/b.conf", "common/a.conf", "x86_64/a.conf", "common/README.md"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let names: Vec<_> = fragments_in(dir.path(), "x86_64")
            .unwrap()
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["common/a.conf", "common/b.conf", "x86_64/a.conf"]);
        let error = fragments_in(dir.path(), "riscv64").unwrap_err().to_string();
        assert!(error.contains("riscv64"), "{error}");
    }
}
