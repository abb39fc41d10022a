//! The guest file tree in memory and the rules of merging packages into it.
//!
//! A [`Tree`] holds inodes and the paths that name them. Packages arrive as
//! uncompressed tar archives through [`Tree::merge_tar`]; what a recipe asks
//! for arrives through the `put_…` methods. Writers read the result with
//! [`Tree::walk`]. Nothing here touches the host's file system, and the crate
//! must not know where bytes came from (no fetching, no package formats) nor
//! what will be made of the tree (no image formats).
//!
//! Paths given to a tree are relative to its root; a leading slash is allowed
//! where a person writes them (the `put_…` methods) and refused in archives.

mod content;
mod edit;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod inode;
mod lookup;
mod merge;
mod owners;
mod path;
mod pattern;
mod tar;
mod tree;

pub use content::Content;
pub use edit::EditError;
pub use inode::{Inode, InodeId, Kind, Meta, Origin};
pub use lookup::ResolveError;
pub use merge::{Limits, MergeError, MergeProblem, MergeRules};
pub use owners::Owners;
pub use path::PathError;
pub use pattern::{PatternError, Patterns};
pub use tar::TarError;
pub use tree::{OriginStats, Tree};
