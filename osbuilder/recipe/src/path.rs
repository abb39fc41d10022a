//! A path inside the guest: absolute, without `.` or `..`, and so unable to
//! leave the tree it is put into.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An absolute, normal path in the guest, such as `/etc/hostname`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GuestPath(String);

/// Why a text is no [`GuestPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestPathError {
    /// It does not begin with `/`.
    #[error("`{0}` is not an absolute guest path: begin it with `/`")]
    Relative(String),
    /// It holds `.`, `..`, an empty component or a NUL.
    #[error("`{0}` is not a plain path: leave out `.`, `..`, `//` and a trailing `/`")]
    NotNormal(String),
}

impl GuestPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is relative or not in normal form.
    pub fn new(text: &str) -> Result<Self, GuestPathError> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(GuestPathError::Relative(text.to_owned()));
        };
        let normal = !text.contains('\0')
            && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if normal {
            Ok(Self(text.to_owned()))
        } else {
            Err(GuestPathError::NotNormal(text.to_owned()))
        }
    }

    /// The path without its leading slash, as trees and archives name it.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GuestPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_absolute_paths_only() {
        assert_eq!(GuestPath::new("/etc/hostname").unwrap().relative(), "etc/hostname");
        for bad in ["etc", "", "/", "/etc/", "/a//b", "/a/../b", "/./a", "/a\0b"] {
            assert!(GuestPath::new(bad).is_err(), "{bad:?}");
        }
    }
}
