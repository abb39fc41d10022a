//! Paths in requests, as far as they are judged by their text alone.

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
}
