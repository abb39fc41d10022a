//! Every path, mode, owner, size, byte, attribute and link of a mounted erofs,
//! and of ext4 with each size of block.

use std::path::Path;
use std::process::Command;

use image::{BlockSize, ErofsCompression, ErofsOptions, Ext4Options, write_erofs, write_ext4};
use proptest::prelude::*;
use rootfs::Tree;

use crate::facts::{self, Facts};
use crate::trees;

/// What the kernel finds in an erofs.
fn mounted(tree: &Tree, compression: ErofsCompression, inline_tails: bool) -> Facts {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let options = ErofsOptions {
        label: "fifteen letters".to_owned(),
        uuid: [1; 16],
        timestamp: 1_700_000_000,
        compression,
        inline_tails,
    };
    write_erofs(tree, &options, file.as_file_mut(), 0).unwrap();
    read_mounted(file.path(), "erofs")
}

/// The mount is private to the one process that reads it, so nothing is left of
/// it whatever happens.
fn read_mounted(file: &Path, fstype: &str) -> Facts {
    let place = tempfile::tempdir().unwrap();
    let script = "mount -t \"$3\" -o ro,loop \"$1\" \"$2\" && cd \"$2\" && \
                  exec tar --create --format=posix --sort=name --numeric-owner \
                  --xattrs --xattrs-include='*' --warning=no-timestamp .";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([file, place.path()])
        .arg(fstype)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "as root? {}", String::from_utf8_lossy(&output.stderr));
    facts::of_tar(&output.stdout)
}

#[test]
fn the_kernel_finds_everything() {
    let mut tree = trees::everything();
    tree.put_file("old", "", facts::meta(0o644).mtime(-1)).unwrap();
    // Attributes that reach over several blocks.
    tree.put_file("attributed", trees::noise(3, 6000), facts::meta(0o644)).unwrap();
    for n in 0..9 {
        tree.set_xattr("attributed", &format!("user.n{n}"), trees::value(n, 2000)).unwrap();
    }
    let expected = facts::of_tree(&tree);
    for compression in [ErofsCompression::None, ErofsCompression::Lz4, ErofsCompression::Lz4Hc] {
        for inline_tails in [false, true] {
            facts::same(&mounted(&tree, compression, inline_tails), &expected);
        }
    }
}

#[test]
fn the_kernel_unpacks_large_files() {
    let mut tree = Tree::new();
    let meta = || facts::meta(0o644);
    tree.put_file("zeros", vec![0; 20 << 20], meta()).unwrap();
    tree.put_file("text", trees::text(77, 9_000_001), meta()).unwrap();
    tree.put_file("chaos", trees::chaos(5, 3_000_001), meta()).unwrap();
    let mixed = [vec![7; 3 << 20], trees::chaos(6, 300_000), trees::text(3, 500_000)].concat();
    tree.put_file("mixed", mixed, meta()).unwrap();
    for n in 0..3000 {
        tree.put_file(&format!("many/entry-{n:05}"), "x", meta()).unwrap();
    }
    let expected = facts::of_tree(&tree);
    for compression in [ErofsCompression::Lz4, ErofsCompression::Lz4Hc] {
        facts::same(&mounted(&tree, compression, true), &expected);
    }
}

#[test]
fn the_kernel_finds_everything_in_blocks_of_every_size() {
    let mut tree = Tree::new();
    for size in [0, 1, 1023, 1024, 1025, 4096, 4097, 100_000] {
        tree.put_file(&format!("f{size}"), trees::chaos(9, size), facts::meta(0o4750)).unwrap();
    }
    tree.put_hard_link("again", "f1025").unwrap();
    for length in [1, 59, 60, 1023] {
        let target = "t".repeat(length);
        tree.put_symlink(&format!("l{length}"), &target, facts::meta(0o777)).unwrap();
    }
    tree.put_directory("lost+found", facts::meta(0o700)).unwrap();
    tree.put_file("forty-megabytes", trees::chaos(8, 40_000_000), facts::meta(0o644)).unwrap();
    tree.put_file("attributed", trees::noise(3, 6000), facts::meta(0o644)).unwrap();
    tree.set_xattr("attributed", "user.long", trees::value(1, 700)).unwrap();
    for n in 0..3000 {
        tree.put_file(&format!("crowd/entry-{n:05}"), "x", facts::meta(0o644)).unwrap();
    }
    let expected = facts::of_tree(&tree);
    for block_size in [BlockSize::Kib1, BlockSize::Kib2, BlockSize::Kib4] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let options = Ext4Options {
            block_size,
            label: "guest".to_owned(),
            uuid: [1; 16],
            hash_seed: [2; 16],
            timestamp: 1_700_000_000,
            free_bytes: 0,
            extra_inodes: 0,
            reserved_percent: 0,
            huge_page_files: false,
        };
        write_ext4(&tree, &options, file.as_file_mut(), 0).unwrap();
        facts::same(&read_mounted(file.path(), "ext4"), &expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_kernel_finds_random_trees(ops in trees::ops(), lz4: bool, inline_tails: bool) {
        let tree = trees::random(&ops, true);
        let compression = if lz4 { ErofsCompression::Lz4 } else { ErofsCompression::None };
        facts::same(&mounted(&tree, compression, inline_tails), &facts::of_tree(&tree));
    }
}
