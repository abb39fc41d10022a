//! Packages of absurd size and shape: they work, or a named limit refuses them.
//!
//! Nothing here looks at a clock. What is bounded by design shows when it is
//! not: these tests then take hours in place of a second.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;

use archive::Archive;
use proptest::prelude::*;
use rootfs::{Kind, MergeRules, Meta, Origin, Patterns, Tree};
use std::collections::BTreeMap;
use std::error::Error as _;

fn rules() -> MergeRules {
    let exclude = ["usr/share/doc", "**/locale", "**/*.pyc", "!usr/share/doc/keep"];
    MergeRules {
        aliases: vec![("bin".to_owned(), "usr/bin".to_owned())],
        exclude: Patterns::compile(&exclude).unwrap(),
        ..MergeRules::default()
    }
}

fn merged(tar: Archive) -> Result<Tree, String> {
    let mut tree = Tree::new();
    match tree.merge_tar(tar.finish(), Origin::package("p"), &rules()) {
        Ok(()) => Ok(tree),
        Err(error) => Err(format!("{error}: {}", error.source().unwrap())),
    }
}

/// 100,000 entries made by `add`.
fn many(add: impl Fn(Archive, usize) -> Archive) -> Tree {
    let tar = Archive::default().file("first", b"1").symlink("bin", "usr/bin");
    merged((0..100_000).fold(tar, add)).unwrap()
}

#[test]
fn a_hundred_thousand_files_in_one_directory() {
    let tree = many(|tar, n| tar.file(&format!("d/{n}"), b""));
    assert_eq!(tree.children("d").count(), 100_000);
}

#[test]
fn a_hundred_thousand_names_of_one_file() {
    let tree = many(|tar, n| tar.hard_link(&format!("bin/{n}"), "first"));
    assert_eq!(tree.link_count(tree.id("first").unwrap()), 100_001);
    assert_eq!(tree.total_bytes(), 1);
}

#[test]
fn a_hundred_thousand_links_among_excluded_files() {
    // Each is a link to the one before: a chain, if anybody made one of it.
    let doc = |n: usize| format!("usr/share/doc/{n}");
    let tar = Archive::default().file(&doc(0), b"text");
    let chain = (1..100_000).fold(tar, |tar, n| tar.hard_link(&doc(n), &doc(n - 1)));
    let tree = merged(chain.hard_link("kept", &doc(99_999))).unwrap();
    assert_eq!(tree.get("kept").unwrap().kind, Kind::File("text".into()));
    assert_eq!(tree.len(), 2);
}

#[test]
fn a_hundred_thousand_symbolic_links_in_circles() {
    let tree = many(|tar, n| tar.symlink(&format!("l{n}"), &format!("l{}", (n + 1) % 100_000)));
    let error = tree.resolve("l0").unwrap_err().to_string();
    assert_eq!(error, "`l0` goes through more than 40 symbolic links");
}

#[test]
fn deep_paths_of_four_kilobytes() {
    // 127 directories with long names, and thousands of files at the bottom.
    let deep = vec!["directory-with-a-name-of-31-byte"; 123].join("/");
    let tar = (0..5_000).fold(Archive::default(), |tar, n| {
        let name = format!("{deep}/{n:034}");
        assert_eq!(name.len(), 4093);
        tar.long_name(name.as_bytes()).file("x", b"")
    });
    let tree = merged(tar).unwrap();
    assert_eq!(tree.children(&deep).count(), 5_000);
}

#[test]
fn names_that_are_too_long_are_refused_by_name() {
    for length in [4095, 4096] {
        let name = format!("d/{}", vec!["n".repeat(200); 21].join("/"));
        let error = merged(Archive::default().long_name(&name.as_bytes()[..length]).file("x", b""));
        let error = error.unwrap_err();
        assert!(error.contains("package p can't be merged because of `d/nnn"), "{error}");
        assert!(error.contains(&format!("nnn` ({length} bytes)")), "{error}");
        assert!(error.contains("longer than 4094 bytes") && error.len() < 400, "{error}");
    }
    // A long name that no reader of tar would take whole.
    let error = merged(Archive::default().file("a", b"").long_name(&[b'n'; 5000]).file("x", b""));
    assert_eq!(
        error.unwrap_err(),
        "package p can't be merged at or after `a`: the extended header at byte 512 is malformed or too large"
    );
    let deep = "x/".repeat(257);
    let error = merged(Archive::default().long_name(deep.as_bytes()).file("x", b"")).unwrap_err();
    assert!(error.contains("more than 256 directories deep"), "{error}");
    let wide = "w".repeat(256);
    let error = merged(Archive::default().long_name(wide.as_bytes()).file("x", b"")).unwrap_err();
    assert!(error.contains("a component of the path is longer than 255 bytes"), "{error}");
    merged(Archive::default().long_name(&wide.as_bytes()[..255]).file("x", b"")).unwrap();
}

#[test]
fn names_that_are_no_utf8_are_refused_by_name() {
    let latin: &[u8] = b"usr/share/caf\xe9\n";
    let shown = "`usr/share/caf\\xe9\\n`";
    let error = merged(Archive::default().long_name(latin).file("x", b"")).unwrap_err();
    assert!(error.contains(shown) && error.contains("is not UTF-8"), "{error}");
    let error = merged(Archive::default().pax(&[("path", latin)]).file("x", b"")).unwrap_err();
    assert!(error.contains(shown) && error.contains("is not UTF-8"), "{error}");
    // In the header itself; the builder writes text only, so the name is put in.
    let mut bytes = Archive::default().file("usr/share/cafe", b"").raw();
    bytes[13] = 0xe9;
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let error = Tree::new().merge_tar(bytes.into(), Origin::package("p"), &rules()).unwrap_err();
    assert_eq!(error.path, "usr/share/caf\\xe9");
    // Any other script is fine.
    let tree = merged(Archive::default().file("usr/share/caf\u{e9} \u{1f980}", b"")).unwrap();
    assert!(tree.exists("usr/share/caf\u{e9} \u{1f980}"));
}

#[test]
fn an_archive_that_breaks_off_is_told_with_the_last_name() {
    let whole = Archive::default().file("usr/a", &[1; 100]).file("usr/b", &[2; 2000]).raw();
    let cut = whole[..1600].to_vec().into();
    let error = Tree::new().merge_tar(cut, Origin::package("p"), &rules()).unwrap_err();
    assert_eq!(error.to_string(), "package p can't be merged at or after `usr/b`");
}

#[test]
fn what_a_recipe_writes_through_a_circle_is_refused() {
    let mut tree = merged(Archive::default().symlink("a", "b").symlink("b", "a")).unwrap();
    let error = tree.put_file("a/x", "text", Meta::root(0o644, Origin::Builder)).unwrap_err();
    assert_eq!(error.to_string(), "`a/x` can't be reached in the tree");
    assert_eq!(
        error.source().unwrap().to_string(),
        "`a/x` goes through more than 40 symbolic links"
    );
}

#[test]
fn privileges_are_kept() {
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Archive::default()
        .pax(&[("SCHILY.xattr.security.capability", capability)])
        .file("usr/bin/ping", b"")
        .member(&archive::Member {
            path: "usr/bin/su",
            kind: b'0',
            mode: 0o6755,
            link: "",
            data: b"",
            size_field: None,
        });
    let tree = merged(tar).unwrap();
    assert_eq!(tree.get("usr/bin/su").unwrap().mode, 0o6755);
    let ping = tree.get("usr/bin/ping").unwrap();
    assert_eq!(ping.xattrs.get("security.capability").unwrap(), capability);
}

/// A path of few short names, so that paths meet, and what is there.
fn entries() -> impl Strategy<Value = BTreeMap<String, Option<Vec<u8>>>> {
    let name = prop::sample::select(vec!["a", "b", "c", "\u{e9}", "x.y", "long-name-of-a-file"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let content = prop::option::of(prop::collection::vec(any::<u8>(), 0..1500));
    prop::collection::btree_map(path, content, 0..24).prop_map(|map| {
        // What lies below a file is no tree.
        let files: Vec<String> =
            map.iter().filter(|(_, c)| c.is_some()).map(|(p, _)| format!("{p}/")).collect();
        let inside = |path: &str| files.iter().any(|file| path.starts_with(file.as_str()));
        map.into_iter().filter(|(path, _)| !inside(path)).collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in entries(), long in any::<bool>()) {
        let mut tar = Archive::default();
        for (path, content) in &entries {
            // Both ways to say a name must say the same.
            if long {
                tar = tar.long_name(path.as_bytes());
            } else {
                tar = tar.pax(&[("path", path.as_bytes())]);
            }
            tar = match content {
                Some(bytes) => tar.file("x", bytes),
                None => tar.directory("x"),
            };
        }
        let tree = merged(tar).unwrap();
        let read: BTreeMap<String, Option<Vec<u8>>> = tree
            .walk()
            .skip(1)
            .map(|(path, _, inode)| match &inode.kind {
                Kind::File(content) => (path.to_owned(), Some(content.as_slice().to_vec())),
                _ => (path.to_owned(), None),
            })
            .filter(|(path, _)| entries.contains_key(path))
            .collect();
        prop_assert_eq!(read, entries);
    }
}
