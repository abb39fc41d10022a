//! What recipes and the builder do to the tree, and what writers ask of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rootfs::{EditError, Kind, Meta, Origin, OriginStats, ResolveError, Tree};

fn meta(mode: u32) -> Meta {
    Meta::root(mode, Origin::recipe("test"))
}

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.put_directory("/usr/bin", meta(0o755)).unwrap();
    tree.put_symlink("bin", "usr/bin", meta(0)).unwrap();
    tree.put_file("/bin/sh", "shell", meta(0o4755).owner(1, 2).mtime(50)).unwrap();
    tree.put_hard_link("bin/ash", "usr/bin/sh").unwrap();
    tree.put_file("usr/bin-extra", "x", meta(0o644)).unwrap();
    tree
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.walk().map(|(path, _, _)| path).collect()
}

#[test]
fn parents_are_followed_and_made() {
    let tree = sample();
    let expected = ["", "bin", "usr", "usr/bin", "usr/bin-extra", "usr/bin/ash", "usr/bin/sh"];
    assert_eq!(paths(&tree), expected);
    let names: Vec<&str> = tree.children("usr").map(|(name, _)| name).collect();
    assert_eq!(names, ["bin", "bin-extra"]);
    let names: Vec<&str> = tree.children("").map(|(name, _)| name).collect();
    assert_eq!(names, ["bin", "usr"]);
    assert_eq!(tree.get("usr/bin/sh").unwrap().mode, 0o4755);
    assert_eq!(tree.link_count(tree.id("usr/bin/sh").unwrap()), 2);
}

#[test]
fn resolving_stays_inside() {
    let mut tree = sample();
    tree.put_symlink("etc/up", "../../../../bin/sh", meta(0)).unwrap();
    tree.put_symlink("etc/abs", "/bin/sh", meta(0)).unwrap();
    tree.put_symlink("a", "b", meta(0)).unwrap();
    tree.put_symlink("b", "a", meta(0)).unwrap();
    assert_eq!(tree.resolve("etc/up").as_deref(), Ok("usr/bin/sh"));
    assert_eq!(tree.resolve("/etc/abs").as_deref(), Ok("usr/bin/sh"));
    assert_eq!(tree.resolve("etc/../bin").as_deref(), Ok("usr/bin"));
    assert!(matches!(tree.resolve("a"), Err(ResolveError::Loop(_))));
    assert!(matches!(tree.resolve("bin/zsh"), Err(ResolveError::Missing(_))));
    assert!(matches!(tree.resolve("bin/sh/x"), Err(ResolveError::NotADirectory { .. })));
    assert!(tree.put_file("a/x", "", meta(0)).is_err());
}

#[test]
fn directories_and_files_keep_apart() {
    let mut tree = sample();
    let error = tree.put_file("usr/bin", "", meta(0o644)).unwrap_err();
    assert!(matches!(error, EditError::Occupied { .. }), "{error}");
    assert!(tree.put_directory("usr/bin/sh", meta(0o755)).is_err());
    assert!(tree.put_file("/", "", meta(0o644)).is_err());
    assert!(tree.put_file("../x", "", meta(0o644)).is_err());
    // Asking for a directory where a link to one is changes the directory.
    tree.put_directory("bin", meta(0o711)).unwrap();
    assert_eq!(tree.get("usr/bin").unwrap().mode, 0o711);
    assert!(matches!(tree.get("bin").unwrap().kind, Kind::Symlink(_)));
}

#[test]
fn replacing_one_hard_link_leaves_the_other() {
    let mut tree = sample();
    tree.put_file("bin/ash", "other", meta(0o755)).unwrap();
    assert_eq!(tree.link_count(tree.id("usr/bin/sh").unwrap()), 1);
    assert_eq!(tree.total_bytes(), 11);
    assert!(tree.put_hard_link("x", "bin").is_err());
    assert!(tree.put_hard_link("x", "gone").is_err());
}

#[test]
fn removing() {
    let mut tree = sample();
    assert_eq!(tree.remove("usr/bin").unwrap(), 3);
    assert_eq!(paths(&tree), ["", "bin", "usr", "usr/bin-extra"]);
    assert_eq!(tree.remove("usr/bin").unwrap(), 0);
    assert_eq!(tree.remove("bin").unwrap(), 1);
    assert_eq!(tree.remove("/").unwrap(), 2);
    assert!(tree.is_empty());
}

#[test]
fn removing_by_pattern() {
    let mut tree = sample();
    let patterns = ["usr/bin".to_owned(), "!usr/bin/sh".to_owned()];
    assert_eq!(tree.remove_matching(&patterns).unwrap(), 1);
    assert_eq!(paths(&tree), ["", "bin", "usr", "usr/bin", "usr/bin-extra", "usr/bin/sh"]);
    assert_eq!(tree.remove_matching(&["usr".to_owned()]).unwrap(), 4);
    assert!(tree.remove_matching(&[String::new()]).is_err());
}

#[test]
fn attributes_and_sums() {
    let mut tree = sample();
    tree.set_owner("bin/sh", 70_000, 3).unwrap();
    tree.set_mode("bin/sh", 0o107_755).unwrap();
    tree.set_xattr("bin/sh", "user.note", vec![1]).unwrap();
    assert!(tree.set_xattr("bin/sh", "note", vec![1]).is_err());
    assert!(tree.set_xattr("bin/sh", "user.big", vec![1; 65_537]).is_err());
    assert!(tree.set_mode("gone", 0).is_err());
    let shell = tree.get("usr/bin/ash").unwrap();
    assert_eq!((shell.uid, shell.gid, shell.mode), (70_000, 3, 0o7755));
    tree.clamp_mtimes(20);
    assert_eq!(tree.get("usr/bin/sh").unwrap().mtime, 20);
    let stats = tree.stats();
    let expected = OriginStats { inodes: 5, bytes: 6 };
    assert_eq!(stats[&Origin::recipe("test")], expected);
}
