//! Names of containers. An id becomes a folder's name and a cgroup's, so what may
//! be in it is decided here, before anything is made of it.

use crate::error::Error;

/// The longest id; a file name can't be longer.
const LONGEST: usize = 255;

/// Checks that `id` can be a name and can't be a path.
///
/// # Errors
///
/// [`Error::Id`] for what runc refuses too: nothing at all, more than 255 bytes,
/// anything but letters, digits and `_ + - .`, and `.` and `..`.
pub fn check(id: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || id.len() > LONGEST || id == "." || id == ".." || !id.bytes().all(allowed) {
        let shown: String = id.chars().take(64).collect();
        return Err(Error::Id(shown));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_pass_and_paths_do_not() {
        for good in ["a", "pod-1_x.y+z", "...", &"x".repeat(255)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "../x", "/", "a b", "ä", "a\0", &"x".repeat(256)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
