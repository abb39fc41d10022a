//! The erofs writer against erofs-utils: the checker, the dumper and a second
//! reader that unpacks. What only a kernel can judge is in `tests/kernel`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use image::{ErofsCompression, ErofsOptions, ErofsStats, ImageError, write_erofs};
use proptest::prelude::*;
use rootfs::{Kind, Tree};

use crate::facts::meta;
use crate::trees::{self, chaos, noise, text};

const ALL: [ErofsCompression; 3] =
    [ErofsCompression::None, ErofsCompression::Lz4, ErofsCompression::Lz4Hc];

fn options(compression: ErofsCompression, inline_tails: bool) -> ErofsOptions {
    ErofsOptions {
        label: "guest".to_owned(),
        uuid: [1; 16],
        timestamp: 1_700_000_000,
        compression,
        inline_tails,
    }
}

fn plain() -> ErofsOptions {
    options(ErofsCompression::None, false)
}

/// Runs a tool of erofs-utils, which must succeed, and returns what it says.
fn tool(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian: erofs-utils): {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout) + &text(&output.stderr)
}

/// Every inode and block of an image must be as they should.
pub fn fsck(image: &Path) {
    let said = tool("fsck.erofs", &["-d3", "--extract", image.to_str().unwrap()]);
    assert!(said.contains("No errors found"), "{said}");
}

/// An image in a temporary file.
struct Image {
    file: tempfile::NamedTempFile,
    stats: ErofsStats,
}

impl Image {
    /// Writes the tree and has every block of it checked.
    fn write(tree: &Tree, options: &ErofsOptions) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let stats = write_erofs(tree, options, file.as_file_mut(), 0).unwrap();
        let image = Self { file, stats };
        assert_eq!(fs::metadata(image.path()).unwrap().len(), stats.size_bytes);
        assert_eq!(stats.size_bytes, stats.blocks * 4096);
        fsck(image.file.path());
        image
    }

    fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }

    /// What the dumper says of one path.
    fn dump(&self, path: &str) -> String {
        tool("dump.erofs", &[&format!("--path=/{path}"), self.path()])
    }

    /// Unpacks the image and compares it with the tree: names, contents, links.
    fn holds(&self, tree: &Tree) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let extract = format!("--extract={}", root.display());
        tool("fsck.erofs", &[&extract, "--no-preserve", self.path()]);
        let mut names = Vec::new();
        list(&root, "", &mut names);
        names.sort();
        let expected: Vec<&str> = tree.walk().map(|(path, ..)| path).skip(1).collect();
        assert_eq!(names, expected);
        for (path, _, inode) in tree.walk() {
            let place = root.join(path);
            match &inode.kind {
                Kind::File(content) => {
                    assert!(fs::read(place).unwrap() == content.as_slice(), "bytes of {path}");
                }
                Kind::Symlink(target) => {
                    assert_eq!(fs::read_link(place).unwrap().to_str(), Some(target.as_str()));
                }
                _ => assert!(place.is_dir(), "{path}"),
            }
        }
    }
}

fn list(root: &Path, below: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            list(root, &path, names);
        }
        names.push(path);
    }
}

/// The tree with everything but what an ordinary user can't unpack.
fn ordinary() -> Tree {
    let mut tree = trees::everything();
    tree.remove("dev").unwrap();
    tree
}

#[test]
fn everything_comes_back() {
    let tree = ordinary();
    for compression in ALL {
        for inline_tails in [false, true] {
            let image = Image::write(&tree, &options(compression, inline_tails));
            image.holds(&tree);
            let compressed = image.stats.compressed_files > 0;
            assert_eq!(compressed, compression != ErofsCompression::None);
        }
    }
}

#[test]
fn an_empty_tree() {
    let image = Image::write(&Tree::new(), &plain());
    assert_eq!((image.stats.blocks, image.stats.inodes), (1, 1));
    image.holds(&Tree::new());
}

#[test]
fn the_dumper_reads_the_superblock_as_it_was_meant() {
    let said = tool("dump.erofs", &["-s", Image::write(&trees::everything(), &plain()).path()]);
    for word in [
        "Filesystem magic number:                      0xE0F5E1E2",
        "Filesystem features:                          sb_csum mtime",
        "Filesystem UUID:                              01010101-0101-0101-0101-010101010101",
        "Filesystem created:                           Tue Nov 14 22:13:20 2023",
    ] {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
    let tree = ordinary();
    let said = tool(
        "dump.erofs",
        &["-s", Image::write(&tree, &options(ErofsCompression::Lz4, true)).path()],
    );
    assert!(said.contains("0padding"), "{said}");
}

#[test]
fn owners_modes_times_links_and_devices() {
    let image = Image::write(&trees::everything(), &plain());
    for (path, words) in [
        ("bin/su2", &["Links: 3", "Uid: 70000", "Gid: 2147483648", "Access: 0755"][..]),
        ("bin/su2", &["Timestamp: 2128-06-11 08:53:20"]),
        ("tmp", &["Links: 3", "Access: 0777", "directory"]),
        ("", &["Access: 0711", "Timestamp: 1970-01-01 00:01:17"]),
        ("dev/null", &["char dev", "Access: 0666"]),
        ("dev/nvme", &["block dev", "Gid: 6 "]),
        ("dev/pipe", &["FIFO", "Access: 0600"]),
        ("many", &["Size: 9000", "Xattr size:"]),
    ] {
        let said = image.dump(path);
        for word in words {
            assert!(said.contains(word), "`{word}` is not in {said}");
        }
    }
}

#[test]
fn dax_can_map_every_file_unless_tails_may_lie_beside_inodes() {
    let mut tree = Tree::new();
    tree.put_file("tail", noise(1, 5000), meta(0o644)).unwrap();
    tree.put_file("small", noise(1, 50), meta(0o644)).unwrap();
    let whole = Image::write(&tree, &plain());
    // Layout 0 is plain, 2 is inline.
    for path in ["tail", "small"] {
        assert!(whole.dump(path).contains("Layout: 0"), "{}", whole.dump(path));
    }
    let inline = Image::write(&tree, &options(ErofsCompression::None, true));
    for path in ["tail", "small"] {
        assert!(inline.dump(path).contains("Layout: 2"), "{}", inline.dump(path));
    }
    assert!(inline.stats.blocks < whole.stats.blocks);
}

#[test]
fn inodes_of_the_common_time_are_small() {
    let mut tree = Tree::new();
    tree.put_directory("", meta(0o755)).unwrap();
    let mut same = BTreeMap::new();
    for n in 0..500 {
        tree.put_file(&format!("f{n}"), "", meta(0o644)).unwrap();
        same.insert(n, ());
    }
    let small = Image::write(&tree, &plain());
    let other = ErofsOptions { timestamp: 1_700_000_001, ..plain() };
    let large = Image::write(&tree, &other);
    assert!(small.dump("f7").contains("Inode size: 32"), "{}", small.dump("f7"));
    assert!(large.dump("f7").contains("Inode size: 64"), "{}", large.dump("f7"));
    assert!(small.dump("f7").contains("Timestamp: 2023-11-14 22:13:20"));
    assert!(small.stats.blocks < large.stats.blocks);
}

#[test]
fn ten_thousand_files_and_a_directory_of_many_blocks() {
    let mut tree = Tree::new();
    for n in 0..10_000 {
        let path = format!("usr/share/p{}/d{}/file-{n}", n % 100, n % 7);
        tree.put_file(&path, noise(n, (n * 37) % 9000), meta(0o644)).unwrap();
    }
    for n in 0..5000 {
        tree.put_symlink(&format!("many/entry-{n:05}"), "../usr", meta(0o777)).unwrap();
    }
    Image::write(&tree, &options(ErofsCompression::Lz4, true)).holds(&tree);
}

#[test]
fn files_with_the_same_bytes_share_their_blocks() {
    let mut tree = Tree::new();
    tree.put_file("a", chaos(1, 100_000), meta(0o644)).unwrap();
    let one = Image::write(&tree, &plain());
    for n in 0..10 {
        tree.put_file(&format!("b{n}"), chaos(1, 100_000), meta(0o600)).unwrap();
    }
    let many = Image::write(&tree, &plain());
    many.holds(&tree);
    assert_eq!(many.stats.blocks, one.stats.blocks);
}

#[test]
fn large_files_that_shrink_a_lot_or_not_at_all() {
    let mut tree = Tree::new();
    tree.put_file("zeros", vec![0; 20 << 20], meta(0o644)).unwrap();
    tree.put_file("text", text(77, 9_000_001), meta(0o644)).unwrap();
    tree.put_file("chaos", chaos(5, 3_000_001), meta(0o644)).unwrap();
    // Starts that are far apart, then close together.
    let mixed = [vec![7; 3 << 20], chaos(6, 300_000), text(3, 500_000), chaos(7, 10)].concat();
    tree.put_file("mixed", mixed, meta(0o644)).unwrap();
    for compression in [ErofsCompression::Lz4, ErofsCompression::Lz4Hc] {
        let image = Image::write(&tree, &options(compression, true));
        image.holds(&tree);
        for (path, layout) in [("zeros", 3), ("text", 3), ("chaos", 2), ("mixed", 3)] {
            let said = image.dump(path);
            assert!(said.contains(&format!("Layout: {layout}")), "{path}: {said}");
        }
        assert!(image.stats.size_bytes < 9 << 20, "{}", image.stats.size_bytes);
    }
}

#[test]
fn as_small_as_mkfs_makes_it() {
    let mut tree = Tree::new();
    for n in 0..300 {
        let bytes = if n % 5 == 0 {
            chaos(n, 7000)
        } else {
            text(n, 300 + 997 * usize::try_from(n).unwrap() % 90_000)
        };
        tree.put_file(&format!("d{}/f{n}", n % 20), bytes, meta(0o644)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let ours = Image::write(&tree, &options(ErofsCompression::Lz4Hc, true));
    tool("fsck.erofs", &[&format!("--extract={}", root.display()), "--no-preserve", ours.path()]);
    let theirs = folder.path().join("theirs");
    let words = ["-zlz4hc", theirs.to_str().unwrap(), root.to_str().unwrap()];
    tool("mkfs.erofs", &words);
    let theirs = fs::metadata(&theirs).unwrap();
    assert!(theirs.is_file() && theirs.nlink() == 1);
    let (ours, theirs) = (ours.stats.size_bytes, theirs.len());
    // Each finds some blocks that the other does not.
    assert!(ours <= theirs + theirs / 50, "{ours} and {theirs} bytes");
}

#[test]
fn impossible_wishes_are_refused() {
    let refuse = |tree: &Tree, options: &ErofsOptions, offset| {
        write_erofs(tree, options, &mut Cursor::new(Vec::new()), offset).unwrap_err()
    };
    let label = "sixteen letters!".to_owned();
    for wrong in [ErofsOptions { label, ..plain() }, ErofsOptions { timestamp: -1, ..plain() }] {
        assert!(matches!(refuse(&Tree::new(), &wrong, 0), ImageError::Option(_)));
    }
    assert!(matches!(refuse(&Tree::new(), &plain(), 512), ImageError::Option(_)));
    let mut tree = Tree::new();
    tree.put_device("d", Kind::CharDevice { major: 4096, minor: 0 }, meta(0o600)).unwrap();
    assert!(matches!(refuse(&tree, &plain(), 0), ImageError::DeviceNumber { .. }));
    let mut tree = Tree::new();
    tree.put_file("f", "", meta(0o644)).unwrap();
    for n in 0..3 {
        tree.set_xattr("f", &format!("user.x{n}"), noise(0, 30_000)).unwrap();
    }
    assert!(matches!(refuse(&tree, &plain(), 0), ImageError::XattrSpace(path) if path == "f"));
    let mut tree = Tree::new();
    tree.put_file("f", "", meta(0o644)).unwrap();
    tree.set_xattr("f", "system.posix_acl_access", vec![1; 4]).unwrap();
    assert!(matches!(refuse(&tree, &plain(), 0), ImageError::XattrName { .. }));
}

#[test]
fn same_tree_same_bytes() {
    for compression in ALL {
        let build = || {
            let mut out = Cursor::new(Vec::new());
            write_erofs(&trees::everything(), &options(compression, true), &mut out, 0).unwrap();
            out.into_inner()
        };
        assert!(build() == build());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn trees_survive(ops in trees::ops(), form in 0usize..3, inline_tails: bool) {
        let tree = trees::random(&ops, false);
        Image::write(&tree, &options(ALL[form], inline_tails)).holds(&tree);
    }
}
