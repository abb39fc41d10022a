//! The shapes of a cgroup's files: one number, or lines of a name and a number.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cgroup::MOST_BYTES;

/// What `max` in a file is as a number.
pub(super) const UNLIMITED: u64 = u64::MAX;

/// A file's text; an empty one when there is no such file.
pub(super) fn text(folder: &Path, name: &str) -> io::Result<String> {
    let file = match File::open(folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parsed(text: &str) -> Option<u64> {
    if text == "max" { Some(UNLIMITED) } else { text.parse().ok() }
}

/// The number that is all of a file.
pub(super) fn number(folder: &Path, name: &str) -> io::Result<u64> {
    Ok(parsed(text(folder, name)?.trim()).unwrap_or(0))
}

/// A file of lines such as `oom_kill 3`.
pub(super) fn numbers(folder: &Path, name: &str) -> io::Result<BTreeMap<String, u64>> {
    let line = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), parsed(value.trim())?))
    };
    Ok(text(folder, name)?.lines().filter_map(line).collect())
}

/// One number of such a file.
pub(super) fn number_of(folder: &Path, name: &str, key: &str) -> io::Result<u64> {
    Ok(numbers(folder, name)?.remove(key).unwrap_or(0))
}
