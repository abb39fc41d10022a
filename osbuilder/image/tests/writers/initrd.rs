//! The initrd writer against GNU cpio and the decompressors.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use image::{Compression, ImageError, InitrdOptions, InitrdStats, write_initrd};
use rootfs::{Kind, Meta, Origin, Tree};

fn meta(mode: u32) -> Meta {
    Meta::root(mode, Origin::Builder).mtime(1_600_000_000)
}

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.put_file("init", "#!agent", meta(0o755)).unwrap();
    tree.put_file("bin/busybox", vec![9; 5000], meta(0o4755).owner(70_000, 5)).unwrap();
    tree.put_hard_link("bin/sh", "bin/busybox").unwrap();
    tree.put_hard_link("bin/zz", "bin/busybox").unwrap();
    tree.put_file("etc/empty", "", meta(0o600)).unwrap();
    tree.put_file("etc/odd", "123", meta(0o640)).unwrap();
    tree.put_symlink("sbin", "bin", meta(0)).unwrap();
    let console = Kind::CharDevice { major: 5, minor: 1 };
    tree.put_device("dev/console", console, meta(0o600)).unwrap();
    let disk = Kind::BlockDevice { major: 259, minor: 300 };
    tree.put_device("dev/disk", disk, meta(0o660)).unwrap();
    tree.put_device("dev/pipe", Kind::Fifo, meta(0o600)).unwrap();
    tree.set_xattr("init", "user.x", vec![1]).unwrap();
    tree
}

fn write(tree: &Tree, compression: Compression) -> (Vec<u8>, InitrdStats) {
    let mut out = Vec::new();
    let stats = write_initrd(tree, &InitrdOptions { compression }, &mut out).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    (out, stats)
}

fn cpio(arguments: &[&str], input: &[u8], folder: &std::path::Path) -> String {
    let mut child = Command::new("cpio")
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn gnu_cpio_lists_it() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, stats) = write(&sample(), Compression::None);
    assert_eq!(bytes.len() % 512, 0);
    assert_eq!(stats.archive_bytes, bytes.len() as u64);
    assert_eq!(stats.dropped_xattrs, ["init: user.x"]);
    let listing = cpio(&["-itvn", "--quiet"], &bytes, folder.path());
    let lines: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 .",
        "drwxr-xr-x 2 0 0 0 Sep 13 2020 bin",
        "-rwsr-xr-x 3 70000 5 0 Sep 13 2020 bin/busybox",
        "-rwsr-xr-x 3 70000 5 0 Sep 13 2020 bin/sh",
        "-rwsr-xr-x 3 70000 5 5000 Sep 13 2020 bin/zz",
        "drwxr-xr-x 2 0 0 0 Sep 13 2020 dev",
        "crw------- 1 0 0 5, 1 Sep 13 2020 dev/console",
        "brw-rw---- 1 0 0 259, 300 Sep 13 2020 dev/disk",
        "prw------- 1 0 0 0 Sep 13 2020 dev/pipe",
        "drwxr-xr-x 2 0 0 0 Sep 13 2020 etc",
        "-rw------- 1 0 0 0 Sep 13 2020 etc/empty",
        "-rw-r----- 1 0 0 3 Sep 13 2020 etc/odd",
        "-rwxr-xr-x 1 0 0 7 Sep 13 2020 init",
        "lrwxrwxrwx 1 0 0 3 Sep 13 2020 sbin -> bin",
    ];
    assert_eq!(lines, expected);
    assert_eq!(stats.entries as usize, expected.len());
}

#[test]
fn gnu_cpio_extracts_it() {
    let mut tree = sample();
    // Devices and foreign owners need root, which tests don't.
    tree.remove("dev").unwrap();
    tree.set_owner("bin/busybox", 0, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = write(&tree, Compression::None);
    let arguments = ["-idm", "--quiet", "--no-preserve-owner", "--no-absolute-filenames"];
    cpio(&arguments, &bytes, folder.path());
    for (path, _, inode) in tree.walk() {
        let on_disk = folder.path().join(path);
        match &inode.kind {
            Kind::File(content) => {
                assert_eq!(std::fs::read(&on_disk).unwrap(), content.as_slice(), "{path}");
            }
            Kind::Symlink(target) => {
                assert_eq!(std::fs::read_link(&on_disk).unwrap().to_str(), Some(target.as_str()));
            }
            _ => assert!(on_disk.is_dir()),
        }
    }
    let inode = |path: &str| {
        let metadata = std::fs::metadata(folder.path().join(path)).unwrap();
        std::os::unix::fs::MetadataExt::ino(&metadata)
    };
    assert_eq!(inode("bin/busybox"), inode("bin/zz"));
    assert_eq!(inode("bin/busybox"), inode("bin/sh"));
}

#[test]
fn every_compression_holds_the_same_archive() {
    let tree = sample();
    let (plain, _) = write(&tree, Compression::None);
    let (gzip, _) = write(&tree, Compression::Gzip(9));
    // No flags, no time, unknown system.
    assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain);
    let (zstd, stats) = write(&tree, Compression::Zstd(19));
    assert!(zstd::stream::decode_all(&zstd[..]).unwrap() == plain);
    assert_eq!(stats.archive_bytes, plain.len() as u64);
    let (xz, _) = write(&tree, Compression::Xz(6));
    // Stream flags: the check is CRC-32.
    assert_eq!(xz[6..8], [0, 1]);
    let mut unpacked = Vec::new();
    liblzma::read::XzDecoder::new(&xz[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain);
    for (first, compression) in
        [(gzip, Compression::Gzip(9)), (zstd, Compression::Zstd(19)), (xz, Compression::Xz(6))]
    {
        assert!(write(&sample(), compression).0 == first, "{compression:?} differs");
    }
}

#[test]
fn lz4_unpacks_ours() {
    let mut tree = sample();
    // More than two blocks of 8 MiB, of bytes that hardly compress.
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) ^ n.wrapping_mul(n)).to_le_bytes();
    let large: Vec<u8> = (0..5_000_000u32).flat_map(noise).collect();
    tree.put_file("large", large, meta(0o644)).unwrap();
    for tree in [sample(), tree] {
        let (plain, _) = write(&tree, Compression::None);
        let (packed, stats) = write(&tree, Compression::Lz4);
        assert_eq!(packed[..4], [0x02, 0x21, 0x4c, 0x18]);
        assert_eq!(stats.archive_bytes, plain.len() as u64);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &packed).unwrap();
        let output = Command::new("lz4").arg("-dc").arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == plain);
        assert!(write(&tree, Compression::Lz4).0 == packed);
    }
}

#[test]
fn levels_out_of_range_are_refused() {
    for compression in [Compression::Gzip(0), Compression::Zstd(22), Compression::Xz(10)] {
        let mut out = Vec::new();
        let error = write_initrd(&sample(), &InitrdOptions { compression }, &mut out).unwrap_err();
        assert!(matches!(error, ImageError::Option(_)));
    }
}

#[test]
fn a_full_disk_is_reported() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for compression in
        [Compression::None, Compression::Gzip(1), Compression::Zstd(1), Compression::Lz4]
    {
        let options = InitrdOptions { compression };
        let error = write_initrd(&sample(), &options, &mut Full).unwrap_err();
        assert!(matches!(error, ImageError::Write(_)), "{error}");
    }
}

#[test]
fn times_out_of_range_become_the_nearest() {
    let mut tree = Tree::new();
    tree.put_file("old", "", meta(0o644).mtime(-5)).unwrap();
    tree.put_file("young", "", meta(0o644).mtime(1 << 40)).unwrap();
    let (bytes, _) = write(&tree, Compression::None);
    let field = |name: &str| {
        let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        String::from_utf8(bytes[at - 110 + 46..at - 110 + 54].to_vec()).unwrap()
    };
    assert_eq!((field("old"), field("young")), ("00000000".to_owned(), "FFFFFFFF".to_owned()));
}
