//! The dm-verity tree against veritysetup, the kernel's own companion: the same
//! root, the same bytes, and a changed byte found.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::verity::{self, VerityTree};

const SALT: &[u8] = b"a salt of thirty-two bytes, no mo";

/// Bytes that differ from block to block.
fn data(blocks: usize) -> Vec<u8> {
    (0..blocks * 4096).map(|at| u8::try_from((at * 31 + at / 4096) % 251).unwrap()).collect()
}

fn veritysetup(words: &[&str], folder: &Path) -> Output {
    Command::new("veritysetup")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir(folder)
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("veritysetup (Debian: cryptsetup-bin): {error}"))
}

/// What veritysetup makes of the file `data`: root and tree.
fn theirs(folder: &Path, salt: &[u8]) -> (String, Vec<u8>) {
    let salt = if salt.is_empty() { "-".to_owned() } else { hex::encode(salt) };
    let salt = format!("--salt={salt}");
    let output = veritysetup(&["format", "--no-superblock", &salt, "data", "hash"], folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let root = text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap();
    (root.trim().to_owned(), fs::read(folder.join("hash")).unwrap())
}

fn accepts(folder: &Path, ours: &VerityTree) -> bool {
    let salt = format!("--salt={}", hex::encode(&ours.salt));
    let blocks = format!("--data-blocks={}", ours.data_blocks);
    let root = hex::encode(ours.root_hash);
    let words = ["verify", "--no-superblock", &salt, &blocks, "data", "hash", &root];
    veritysetup(&words, folder).status.success()
}

#[test]
fn tree_and_root_are_veritysetup_s_own() {
    let folder = tempfile::tempdir().unwrap();
    // Around one block of digests (128) and around two levels of them (16384).
    for blocks in [1, 2, 127, 128, 129, 300, 16_384, 16_385] {
        let data = data(blocks);
        fs::write(folder.path().join("data"), &data).unwrap();
        for salt in [SALT, b""] {
            let (root, tree) = theirs(folder.path(), salt);
            let ours = verity::format(&data[..], data.len() as u64, salt).unwrap();
            assert_eq!(hex::encode(ours.root_hash), root, "{blocks} blocks");
            assert_eq!(ours.data_blocks, blocks as u64);
            assert!(ours.tree == tree, "{blocks} blocks: the trees differ");
        }
    }
}

#[test]
fn veritysetup_accepts_the_data_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = data(200);
    let ours = verity::format(&data[..], data.len() as u64, SALT).unwrap();
    fs::write(folder.path().join("hash"), &ours.tree).unwrap();
    fs::write(folder.path().join("data"), &data).unwrap();
    assert!(accepts(folder.path(), &ours));
    data[150 * 4096 + 17] ^= 1;
    fs::write(folder.path().join("data"), &data).unwrap();
    assert!(!accepts(folder.path(), &ours));
    // Nor does it accept a root that is not this tree's.
    data[150 * 4096 + 17] ^= 1;
    fs::write(folder.path().join("data"), &data).unwrap();
    let mut other = ours.clone();
    other.root_hash[0] ^= 1;
    assert!(!accepts(folder.path(), &other));
}

#[test]
fn the_kernel_is_told_in_both_forms() {
    let data = data(2);
    let tree = verity::format(&data[..], data.len() as u64, &[0xab, 0xcd]).unwrap();
    let root = hex::encode(tree.root_hash);
    assert_eq!(
        tree.parameters(),
        format!(
            "root_hash={root},salt=abcd,data_blocks=2,data_block_size=4096,hash_block_size=4096"
        )
    );
    assert_eq!(
        tree.dm_create("/dev/vda1", "/dev/vda2"),
        format!(
            "dm-verity,,,ro,0 16 verity 1 /dev/vda1 /dev/vda2 4096 4096 2 0 sha256 {root} abcd"
        )
    );
    let bare = verity::format(&data[..], data.len() as u64, &[]).unwrap();
    assert!(bare.dm_create("a", "b").ends_with(" -"));
}

#[test]
fn what_can_not_be_checked_is_refused() {
    let data = data(2);
    let refused =
        |bytes: u64, salt: &[u8]| verity::format(&data[..], bytes, salt).unwrap_err().to_string();
    assert_eq!(refused(0, b""), "dm-verity needs data in whole blocks of 4096 bytes");
    assert_eq!(refused(5000, b""), "dm-verity needs data in whole blocks of 4096 bytes");
    assert_eq!(refused(8192, &[0; 257]), "a dm-verity salt has 256 bytes at most");
    // Three blocks are promised, two are there.
    assert_eq!(refused(12_288, b""), "the image can't be written");
}
