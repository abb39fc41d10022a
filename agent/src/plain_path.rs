//! Paths and names in requests, as far as they are judged by their text alone.

use std::path::{Component, Path};

/// An absolute path without `.` and `..` that is not the root.
pub(crate) fn plain_path(text: &str) -> Option<&Path> {
    let path = Path::new(text);
    let is_plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    // Components leave a `.` out that is not the first of them.
    let dots = text.split('/').any(|step| step == ".");
    let plain = path.components().all(is_plain) && !dots && !text.contains('\0');
    (path.is_absolute() && path.parent().is_some() && plain).then_some(path)
}

/// Longest name of a sandbox or a container, in bytes.
const LONGEST_NAME: usize = 256;

/// Whether this can name a sandbox or a container, and so a folder, which is not
/// hidden and leads nowhere.
pub(crate) fn is_plain_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = 1..=LONGEST_NAME;
    length.contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths() {
        assert_eq!(plain_path("/run/a b/..c"), Some(Path::new("/run/a b/..c")));
        for text in ["", "/", "a", "./a", "/a/../b", "/a/./b", "/a/.", "..", "/..", "/a\0b"] {
            assert_eq!(plain_path(text), None, "{text}");
        }
    }

    #[test]
    fn plain_names() {
        for text in ["a", "pod-1_x.y", &"i".repeat(256)] {
            assert!(is_plain_name(text), "{text}");
        }
        for text in ["", ".", "..", ".a", "a/b", "a b", "a\0", &"i".repeat(257)] {
            assert!(!is_plain_name(text), "{text}");
        }
    }
}
