//! Entry points for fuzzing: any bytes as a package's archive, merged as the
//! product does, with checks of what holds of every tree.
//!
//! It exists in tests and with the feature `fuzzing`; it is no API.

use std::sync::Arc;

use crate::merge::{Limits, MergeRules};
use crate::{Kind, Origin, Patterns, Tree};

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: &[Target] = &[("tar_merge", merge), ("tar_pair", pair)];

/// Fewer than the product allows, so that a bomb is found in a small input.
const LIMITS: Limits = Limits { max_entries: 5_000, max_bytes: 1 << 20 };

fn rules() -> MergeRules {
    let exclude = Patterns::compile(&["usr/share/doc/**".to_owned(), "*.pyc".to_owned()]);
    MergeRules {
        aliases: vec![
            ("bin".to_owned(), "usr/bin".to_owned()),
            ("lib".to_owned(), "usr/lib".to_owned()),
        ],
        exclude: exclude.unwrap_or_default(),
        limits: LIMITS,
        ..MergeRules::default()
    }
}

/// One archive into a tree that holds something already.
pub fn merge(bytes: &[u8]) {
    let mut tree = Tree::new();
    let merged = tree.merge_tar(Arc::new(bytes.to_vec()), Origin::package("fuzzed"), &rules());
    check(&tree, bytes.len(), merged.is_ok());
}

/// Two archives, one after another: the first half of the bytes and the second,
/// cut at a block.
pub fn pair(bytes: &[u8]) {
    let (first, second) = bytes.split_at((bytes.len() / 2).next_multiple_of(512).min(bytes.len()));
    let mut tree = Tree::new();
    let mut rules = rules();
    let merged = tree.merge_tar(Arc::new(first.to_vec()), Origin::package("first"), &rules);
    if merged.is_err() {
        return;
    }
    rules.replaces = vec!["first".to_owned()];
    let merged = tree.merge_tar(Arc::new(second.to_vec()), Origin::package("second"), &rules);
    check(&tree, bytes.len(), merged.is_ok());
}

/// What holds of every tree, also of one that is to be thrown away; `whole`
/// where it is not.
fn check(tree: &Tree, length: usize, whole: bool) {
    assert!(tree.total_bytes() <= length as u64, "the tree holds bytes that nobody brought");
    assert!(tree.len() <= 2 * LIMITS.max_entries + 4096 / 2 + 1, "{} entries", tree.len());
    for (path, id, inode) in tree.walk() {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
        assert!(path.is_empty() || path.split('/').all(plain), "{path:?} is not canonical");
        assert!(path.len() <= 4096 && !path.contains('\0'), "{path:?}");
        assert!(inode.mode <= 0o7777, "{path:?} has the mode {:o}", inode.mode);
        assert!(tree.link_count(id) >= 1);
        if let Some((parent, _)) = path.rsplit_once('/') {
            let above = tree.get(parent).map(|inode| inode.kind.is_directory());
            assert_eq!(above, Some(true), "{path:?} lies in no directory");
        }
        if whole {
            assert!(!path.starts_with("usr/share/doc/"), "{path:?} was to be left out");
        }
        if matches!(inode.kind, Kind::Symlink(_)) {
            // Circles end.
            let _ = tree.resolve(path);
        }
    }
}

#[cfg(test)]
mod tests {
    hostile::tests!(super::TARGETS);
}
