//! Following symbolic links inside the tree, the way a running guest would.
//!
//! Links never lead out: an absolute target starts at the tree's root and
//! `..` stops there. It must not change the tree.

use crate::inode::Kind;
use crate::path;
use crate::tree::Tree;

/// As many links as Linux follows for one path.
const MAX_LINKS: usize = 40;

/// Why a path leads nowhere in the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing is there.
    #[error("`{0}` is not in the tree")]
    Missing(String),
    /// Something on the way is neither a directory nor a link to one.
    #[error("`{path}` is {kind}, so nothing can be below it")]
    NotADirectory {
        /// What is in the way.
        path: String,
        /// Its kind in words.
        kind: &'static str,
    },
    /// Links in a circle.
    #[error("`{0}` goes through more than {MAX_LINKS} symbolic links")]
    Loop(String),
}

impl Tree {
    /// Follows every symbolic link of a path and returns the canonical path
    /// of what it names.
    ///
    /// # Errors
    ///
    /// When the path leads nowhere, through a file, or in a circle.
    pub fn resolve(&self, path: &str) -> Result<String, ResolveError> {
        let (found, missing) = self.follow(path, true)?;
        if missing {
            return Err(ResolveError::Missing(found));
        }
        Ok(found)
    }

    /// Follows links; `last` says whether the final component is followed
    /// too. Missing components are taken as plain names, so that the answer
    /// says where something new would be made. Returns the canonical path and
    /// whether anything on it is missing.
    pub(crate) fn follow(&self, path: &str, last: bool) -> Result<(String, bool), ResolveError> {
        let mut todo: Vec<String> = components(path);
        let mut at = String::new();
        let mut links = 0;
        let mut missing = false;
        while let Some(component) = todo.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." => {
                    at = path::split(&at).map(|(parent, _)| parent.to_owned()).unwrap_or_default();
                    missing = !self.paths.contains_key(&at);
                    continue;
                }
                _ => {}
            }
            let next = path::join(&at, &component);
            let Some(inode) = self.get(&next) else {
                missing = true;
                at = next;
                continue;
            };
            match &inode.kind {
                Kind::Symlink(target) if last || !todo.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(ResolveError::Loop(path.to_owned()));
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    todo.extend(components(target));
                }
                Kind::Directory => at = next,
                _ if todo.is_empty() => at = next,
                other => {
                    return Err(ResolveError::NotADirectory { path: next, kind: other.describe() });
                }
            }
        }
        Ok((at, missing))
    }
}

/// Components in reverse, ready to be popped. Empty ones are dropped so that
/// "is anything left" can be asked of the list.
fn components(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.rev().map(str::to_owned).collect()
}
