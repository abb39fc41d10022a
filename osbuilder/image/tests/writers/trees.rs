//! Trees for the tests of all writers: one with everything in it, and random ones.

use proptest::collection::vec;
use proptest::prelude::*;
use rootfs::{Kind, Meta, Origin, Tree};

use crate::facts::meta;

/// Bytes that are never zero and differ from file to file.
pub fn noise(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at * 31 + at / 4096 + seed * 7) % 251).unwrap() + 1)
        .collect()
}

/// A value of an attribute: without the line feed, at which the tests' reader of
/// archives ends it.
pub fn value(seed: usize, length: usize) -> Vec<u8> {
    noise(seed, length).into_iter().map(|byte| if byte == b'\n' { 0 } else { byte }).collect()
}

/// Bytes that no compressor makes smaller.
pub fn chaos(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    };
    (0..length).map(|_| next()).collect()
}

/// Bytes that become about a third, as programs do: words out of a few.
pub fn text(seed: u64, length: usize) -> Vec<u8> {
    let numbers = chaos(seed, length / 2);
    let words = numbers.iter().map(|byte| format!("{}-{:x} ", byte % 5, u32::from(*byte) * 77_773));
    let mut bytes = words.collect::<String>().into_bytes();
    bytes.resize(length, b'.');
    bytes
}

/// Every kind of inode with every attribute, and files of sizes around blocks.
pub fn everything() -> Tree {
    let mut tree = Tree::new();
    tree.put_directory("", meta(0o711).mtime(77)).unwrap();
    for size in [0, 1, 4000, 4032, 4095, 4096, 4097, 8191, 12_288, 70_000, 1 << 20] {
        tree.put_file(&format!("sizes/n{size}"), noise(size, size), meta(0o644)).unwrap();
        tree.put_file(&format!("sizes/c{size}"), chaos(9, size), meta(0o600)).unwrap();
        tree.put_file(&format!("sizes/t{size}"), text(71, size), meta(0o755)).unwrap();
        tree.put_file(&format!("sizes/z{size}"), vec![0; size], meta(0o640)).unwrap();
    }
    let who = meta(0o6755).owner(70_000, 1 << 31).mtime(5_000_000_000);
    tree.put_file("sbin/su", "suid", who).unwrap();
    tree.put_hard_link("bin/su2", "sbin/su").unwrap();
    tree.put_hard_link("a", "sbin/su").unwrap();
    tree.put_file("twin", "suid", meta(0o600)).unwrap();
    tree.put_directory("tmp", meta(0o1777)).unwrap();
    tree.put_directory("tmp/sub", meta(0o700).mtime(1)).unwrap();
    let small = Kind::CharDevice { major: 1, minor: 3 };
    tree.put_device("dev/null", small, meta(0o666)).unwrap();
    let large = Kind::BlockDevice { major: 259, minor: 70_000 };
    tree.put_device("dev/nvme", large, meta(0o660).owner(0, 6)).unwrap();
    tree.put_device("dev/pipe", Kind::Fifo, meta(0o600)).unwrap();
    for length in [1, 31, 100, 101, 4000, 4095] {
        let target = "t/".repeat(length / 2) + &"u".repeat(length % 2);
        tree.put_symlink(&format!("links/l{length}"), &target, meta(0o777)).unwrap();
    }
    for n in 0..64 {
        tree.put_file(&format!("long/{n:0255}"), "x", meta(0o644)).unwrap();
    }
    // Names around the dots, and beyond ASCII.
    for name in ["!", "-", ".x", "..y", "0", "ä", "Z", "~"] {
        tree.put_file(&format!("names/{name}"), name, meta(0o644)).unwrap();
    }
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    tree.put_file("ping", "ping", meta(0o755)).unwrap();
    tree.set_xattr("ping", "security.capability", capability.clone()).unwrap();
    tree.put_file("many", noise(4, 9000), meta(0o644)).unwrap();
    for (name, length) in [("big", 1500), ("odd", 5), ("empty", 0), ("b", 40), ("c", 41)] {
        tree.set_xattr("many", &format!("user.{name}"), value(1, length)).unwrap();
    }
    tree.set_xattr("many", "security.capability", capability).unwrap();
    tree.set_xattr("many", "trusted.overlay.opaque", b"y".to_vec()).unwrap();
    tree.put_directory("dir", meta(0o755)).unwrap();
    tree.set_xattr("dir", "user.of-a-directory", value(2, 500)).unwrap();
    let deep = (0..100).map(|n| format!("d{n}")).collect::<Vec<_>>().join("/");
    tree.put_file(&format!("{deep}/leaf"), "leaf", meta(0o644)).unwrap();
    tree
}

/// What a random tree is made of.
pub type Op = (Vec<u8>, u8, usize, u32, i64);

/// Times every format and reader knows.
fn mtime() -> impl Strategy<Value = i64> {
    (0i64..1 << 31, 0i64..3).prop_map(|(low, epoch)| low + (epoch << 32))
}

/// Random operations.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let path = vec(any::<u8>(), 1..5);
    vec((path, any::<u8>(), 0usize..20_000, any::<u32>(), mtime()), 0..120)
}

/// The tree that the operations make; devices only where `nodes` says so,
/// since nobody but root can unpack them.
pub fn random(ops: &[Op], nodes: bool) -> Tree {
    let mut tree = Tree::new();
    tree.put_file("n0/n0", "target", meta(0o644)).unwrap();
    for (path, what, size, id, mtime) in ops {
        let path: Vec<String> = path.iter().map(|part| format!("n{}", part % 6)).collect();
        let path = path.join("/");
        let meta = Meta::root(id & 0o7777, Origin::Builder).owner(*id, id / 3).mtime(*mtime);
        let bytes = match id % 3 {
            0 => vec![u8::try_from(size % 255).unwrap() + 1; *size],
            1 => chaos(u64::from(*id), *size),
            _ => text(u64::from(*id), *size),
        };
        // A file may be in the way; then nothing happens, which is fine.
        let _ = match what % 7 {
            0 => tree.put_directory(&path, meta),
            1 => tree.put_symlink(&path, &"l/".repeat(1 + size % 300), meta),
            2 | 4 if !nodes => tree.put_directory(&path, meta),
            2 => {
                let kind = Kind::CharDevice { major: id % 4096, minor: *id >> 12 };
                tree.put_device(&path, kind, meta)
            }
            3 => tree.put_hard_link(&path, "n0/n0"),
            4 => {
                let _ = tree.set_xattr(&path, &format!("user.x{}", id % 9), vec![7; size % 300]);
                tree.put_device(&path, Kind::Fifo, meta)
            }
            _ => tree.put_file(&path, bytes, meta),
        };
    }
    tree
}
