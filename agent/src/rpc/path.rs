//! Paths in requests, refused by the name of their field.

use std::path::Path;

use super::Fault;
use crate::plain_path::plain_path;

/// An absolute path without `.` and `..` that is not the root. `field` is where it
/// stands in the request.
pub(super) fn plain<'a>(field: &str, text: &'a str) -> Result<&'a Path, Fault> {
    plain_path(text).ok_or_else(|| {
        Fault::InvalidArgument(format!("{field}: {text:?} is not a plain absolute path"))
    })
}
