//! The one place that decides whether a path may name something in a tree.
//!
//! Canonical paths have no leading or trailing slash, no empty, `.` or `..`
//! component; the root is the empty path. It must not know what a tree holds.

/// Longest component the guest's kernel takes, in bytes.
const COMPONENT_MAX: usize = 255;
/// Longest path below the root that the guest's kernel takes, in bytes: 4096
/// less the slash before it and the NUL behind it.
const PATH_MAX: usize = 4094;
/// Deepest path. No package comes near; work grows with it.
const DEPTH_MAX: usize = 256;

/// Why a path can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It starts with a slash where only a relative path may stand.
    #[error("the path is absolute; it must be relative to the root of the tree")]
    Absolute,
    /// It has a `..` component.
    #[error("the path has a `..` component and could leave the tree")]
    Parent,
    /// It holds a NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// One component is too long for the guest's kernel.
    #[error("a component of the path is longer than {COMPONENT_MAX} bytes")]
    ComponentTooLong,
    /// The whole is too long for the guest's kernel.
    #[error("the path is longer than {PATH_MAX} bytes")]
    TooLong,
    /// It goes through too many directories.
    #[error("the path is more than {DEPTH_MAX} directories deep")]
    TooDeep,
    /// It names the root where something below it is needed.
    #[error("the path names the root of the tree itself")]
    Root,
}

/// Canonical form of a path out of an archive: strict, nothing absolute.
pub(crate) fn archive_path(path: &str) -> Result<String, PathError> {
    if path.starts_with('/') {
        return Err(PathError::Absolute);
    }
    given_path(path)
}

/// Canonical form of a path a person or the builder wrote: leading slash fine.
pub(crate) fn given_path(path: &str) -> Result<String, PathError> {
    if path.contains('\0') {
        return Err(PathError::Nul);
    }
    if path.len() > PATH_MAX {
        return Err(PathError::TooLong);
    }
    let mut canonical = String::with_capacity(path.len());
    let mut depth = 0;
    for component in path.split('/') {
        match component {
            "" | "." => continue,
            ".." => return Err(PathError::Parent),
            long if long.len() > COMPONENT_MAX => return Err(PathError::ComponentTooLong),
            _ if depth == DEPTH_MAX => return Err(PathError::TooDeep),
            fine => {
                depth += 1;
                if !canonical.is_empty() {
                    canonical.push('/');
                }
                canonical.push_str(fine);
            }
        }
    }
    Ok(canonical)
}

/// The directory above a canonical path, and the name in it. `None` for the root.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').unwrap_or(("", path)))
}

/// The proper ancestors of a canonical path below the root, nearest root first.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// `directory/name`, without a slash below the root.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Where the text of a link in `directory` points, by its letters alone; `..`
/// stops at the root, as it does in a running guest.
pub(crate) fn lexical_target(directory: &str, text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    if !text.starts_with('/') {
        parts.extend(directory.split('/').filter(|part| !part.is_empty()));
    }
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_paths() {
        assert_eq!(archive_path("./usr/bin/").as_deref(), Ok("usr/bin"));
        assert_eq!(archive_path("."), Ok(String::new()));
        assert_eq!(archive_path("/etc"), Err(PathError::Absolute));
        assert_eq!(given_path("/etc//motd").as_deref(), Ok("etc/motd"));
        assert_eq!(archive_path("a/../b"), Err(PathError::Parent));
        assert_eq!(archive_path("a\0b"), Err(PathError::Nul));
        assert_eq!(archive_path(&"x".repeat(256)), Err(PathError::ComponentTooLong));
        assert_eq!(archive_path(&"x/".repeat(3000)), Err(PathError::TooLong));
        assert_eq!(archive_path(&"x/".repeat(DEPTH_MAX)).map(|path| path.len()), Ok(511));
        assert_eq!(archive_path(&"x/".repeat(DEPTH_MAX + 1)), Err(PathError::TooDeep));
        let long = format!("{}/{}", vec!["n".repeat(255); 15].join("/"), "x".repeat(254));
        assert_eq!((long.len(), archive_path(&long)), (PATH_MAX, Ok(long.clone())));
        assert_eq!(archive_path(&format!("{long}y")), Err(PathError::TooLong));
    }

    #[test]
    fn targets_by_their_letters() {
        assert_eq!(lexical_target("", "usr/bin"), "usr/bin");
        assert_eq!(lexical_target("var", "/run"), "run");
        assert_eq!(lexical_target("var", "../run"), "run");
        assert_eq!(lexical_target("a/b", "../../../../x/./y"), "x/y");
    }
}
