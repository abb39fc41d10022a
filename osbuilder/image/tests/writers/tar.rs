//! The tar writer against two readers: the tar crate and GNU tar.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use image::write_tar;
use proptest::prelude::*;
use rootfs::Tree;

use crate::facts::{self, meta};
use crate::trees;

fn archive(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    let stats = write_tar(tree, &mut out).unwrap();
    assert_eq!(stats.entries as usize, tree.len());
    out
}

/// What GNU tar says or does with an archive.
fn gnu_tar(words: &[&str], archive: &[u8]) -> String {
    let mut child = Command::new("tar")
        .args(words)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let archive = archive.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&archive));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn another_reader_finds_everything() {
    let mut tree = trees::everything();
    tree.put_file("old", "", meta(0o644).mtime(-1)).unwrap();
    tree.put_file("late", "", meta(0o644).mtime(1 << 40)).unwrap();
    facts::same(&facts::of_tar(&archive(&tree)), &facts::of_tree(&tree));
}

#[test]
fn gnu_tar_lists_owners_modes_and_devices() {
    let list = gnu_tar(
        &["--list", "--verbose", "--numeric-owner", "--full-time"],
        &archive(&trees::everything()),
    );
    for line in [
        "drwx--x--x 0/0               0 1970-01-01 00:01:17 ./\n",
        "-rwsr-sr-x 70000/2147483648  4 2128-06-11 08:53:20 ./a\n",
        "hrwsr-sr-x 70000/2147483648  0 2128-06-11 08:53:20 ./sbin/su link to ./a\n",
        "crw-rw-rw- 0/0             1,3 2023-11-14 22:13:20 ./dev/null\n",
        "brw-rw---- 0/6       259,70000 2023-11-14 22:13:20 ./dev/nvme\n",
        "prw------- 0/0               0 2023-11-14 22:13:20 ./dev/pipe\n",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = list.lines().any(|other| squeezed(other) == squeezed(line));
        assert!(found, "{line:?} is not in {list}");
    }
}

#[test]
fn gnu_tar_unpacks_it() {
    let mut tree = trees::everything();
    tree.remove("dev").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    gnu_tar(
        &["--extract", "--warning=no-timestamp", "--no-same-owner", "--directory", place],
        &archive(&tree),
    );
    for (path, fact) in facts::of_tree(&tree) {
        let found = folder.path().join(&path);
        match fact.kind.strip_prefix("link to ") {
            Some(target) => assert_eq!(fs::read_link(found).unwrap().to_str(), Some(target)),
            None if fact.kind == "file" => {
                assert!(fs::read(found).unwrap() == fact.bytes, "{path}");
            }
            None => assert!(found.is_dir(), "{path}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn random_trees_come_back(ops in trees::ops()) {
        let tree = trees::random(&ops, true);
        let archive = archive(&tree);
        prop_assert!(archive == self::archive(&tree));
        facts::same(&facts::of_tar(&archive), &facts::of_tree(&tree));
    }
}
