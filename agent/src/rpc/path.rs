//! Paths in requests, as far as they are judged by their text alone.

use std::path::{Component, Path};

use super::Fault;

/// An absolute path without `.` and `..` that is not the root. `field` is where it
/// stands in the request.
pub(super) fn plain<'a>(field: &str, text: &'a str) -> Result<&'a Path, Fault> {
    let path = Path::new(text);
    let is_plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    // Components leave a `.` out that is not the first of them.
    let dots = text.split('/').any(|step| step == ".");
    let plain = path.components().all(is_plain) && !dots && !text.contains('\0');
    if path.is_absolute() && path.parent().is_some() && plain {
        return Ok(path);
    }
    Err(Fault::InvalidArgument(format!("{field}: {text:?} is not a plain absolute path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths() {
        assert_eq!(plain("path", "/run/a b/..c").unwrap(), Path::new("/run/a b/..c"));
        for text in ["", "/", "a", "./a", "/a/../b", "/a/./b", "/a/.", "..", "/..", "/a\0b"] {
            let fault = plain("path", text).unwrap_err();
            assert!(matches!(fault, Fault::InvalidArgument(_)), "{text}: {fault}");
        }
    }
}
