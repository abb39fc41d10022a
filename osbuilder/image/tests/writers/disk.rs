//! The disk layout: tables, pfn superblock, sizes, and the file system inside.

use std::io::{Cursor, Write as _};

use crate::facts::meta;
use crate::judge::options;
use image::{
    DiskOptions, DiskStats, ErofsCompression, ErofsOptions, FilesystemWriter, ImageError,
    write_disk,
};
use rootfs::Tree;

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.put_file("sbin/init", vec![1; 3 << 20], meta(0o755)).unwrap();
    tree
}

fn write(filesystem: &dyn FilesystemWriter, disk: DiskOptions) -> (Vec<u8>, DiskStats) {
    let mut out = Cursor::new(Vec::new());
    let stats = write_disk(&tree(), filesystem, &disk, &mut out).unwrap();
    let bytes = out.into_inner();
    assert_eq!(stats.size_bytes, bytes.len() as u64);
    (bytes, stats)
}

/// Start and length in bytes of the one partition of a table.
fn partition(table: &[u8]) -> (u64, u64) {
    assert_eq!(table[510..512], [0x55, 0xaa]);
    assert_eq!(table[440..444], [1; 4], "signature from the UUID");
    assert_eq!(table[446..454], [0, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
    assert!(table[462..510].iter().all(|byte| *byte == 0), "one partition only");
    let word = |at: usize| u64::from(u32::from_le_bytes(table[at..at + 4].try_into().unwrap()));
    (word(454) * 512, word(458) * 512)
}

fn fsck(filesystem: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(filesystem).unwrap();
    crate::judge::fsck(file.path());
}

#[test]
fn nvdimm_and_disk_in_one() {
    const MIB: usize = 1 << 20;
    let mut ext4 = options();
    ext4.huge_page_files = true;
    let (bytes, stats) = write(&ext4, DiskOptions::DAX);
    assert_eq!(bytes.len() % (2 * MIB), 0);
    assert_eq!(stats.filesystem_offset, 3 << 20);
    let length = (bytes.len() - 3 * MIB) as u64;
    assert_eq!(partition(&bytes[..512]), (3 << 20, length));
    assert_eq!(partition(&bytes[2 * MIB..2 * MIB + 512]), (1 << 20, length));

    let pfn = &bytes[4096..8192];
    assert_eq!(&pfn[..16], b"NVDIMM_PFN_INFO\0");
    let mut rest = pfn.to_vec();
    for (at, value) in [(54, &[2u8, 0][..]), (56, &[0, 0, 0x20, 0][..]), (72, &[1][..])] {
        assert_eq!(&rest[at..at + value.len()], value);
        rest[at..at + value.len()].fill(0);
    }
    assert_eq!(rest[84..88], [0, 0, 0x20, 0]);
    rest[84..88].fill(0);
    assert!(rest[16..4088].iter().all(|byte| *byte == 0), "unset fields are zero");
    assert_eq!(rest[4088..], 0x685b_032b_e394_3830_u64.to_le_bytes());
    assert!(bytes[512..4096].iter().chain(&bytes[8192..2 * MIB]).all(|byte| *byte == 0));

    let filesystem = &bytes[3 * MIB..3 * MIB + usize::try_from(stats.filesystem_bytes).unwrap()];
    fsck(filesystem);
    // The large file starts at a huge page of the whole image.
    let ones = [1u8; 4096];
    let first = bytes.chunks(4096).position(|block| block == ones).unwrap();
    assert_eq!(first % 512, 0);
}

#[test]
fn plain_disk() {
    let plain = DiskOptions { dax_header: false, align_bytes: 4096 };
    let (bytes, stats) = write(&options(), plain);
    assert_eq!(stats.filesystem_offset, 1 << 20);
    assert_eq!(partition(&bytes[..512]), (1 << 20, bytes.len() as u64 - (1 << 20)));
    assert_eq!(stats.size_bytes, stats.filesystem_offset + stats.filesystem_bytes);
    assert!(bytes[512..1 << 20].iter().all(|byte| *byte == 0));
    fsck(&bytes[1 << 20..]);
}

#[test]
fn a_full_disk_is_reported() {
    struct Full(Cursor<Vec<u8>>);
    impl std::io::Seek for Full {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0.position() > 4 << 20 {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut full = Full(Cursor::new(Vec::new()));
    let error = write_disk(&tree(), &options(), &DiskOptions::DAX, &mut full).unwrap_err();
    assert!(matches!(error, ImageError::Write(_)), "{error}");
}

#[test]
fn sizes_follow_the_alignment_and_bytes_repeat() {
    for align_bytes in [2 << 20, 16 << 20, 128 << 20] {
        let dax = DiskOptions { align_bytes, ..DiskOptions::DAX };
        let (bytes, _) = write(&options(), dax);
        assert_eq!(bytes.len() as u64 % align_bytes, 0);
        assert!(write(&options(), dax).0 == bytes);
    }
    let wrong = |dax_header, align_bytes| {
        let disk = DiskOptions { dax_header, align_bytes };
        write_disk(&tree(), &options(), &disk, &mut Cursor::new(Vec::new())).unwrap_err()
    };
    for (dax_header, align) in [(false, 0), (false, 512), (true, 4096), (true, 0)] {
        assert!(matches!(wrong(dax_header, align), ImageError::Option(_)));
    }
}

#[test]
fn a_measured_image_has_its_tree_in_a_second_partition() {
    let ext4 = options();
    let compression = ErofsCompression::Lz4;
    let erofs = ErofsOptions {
        label: String::new(),
        uuid: [1; 16],
        timestamp: 1,
        compression,
        inline_tails: true,
    };
    let forms: [&dyn FilesystemWriter; 2] = [&ext4, &erofs];
    for (filesystem, dax_header) in [(0, true), (0, false), (1, true), (1, false)] {
        let options = DiskOptions { dax_header, ..DiskOptions::DAX };
        let mut out = Cursor::new(Vec::new());
        let plain = write_disk(&tree(), forms[filesystem], &options, &mut out).unwrap();
        let (stats, tree) =
            image::add_verity(&mut out, &plain, options.align_bytes, b"salt").unwrap();
        let bytes = out.into_inner();
        assert_eq!(stats.size_bytes, bytes.len() as u64);
        assert_eq!(stats.size_bytes % options.align_bytes, 0);
        let tables: &[usize] = if dax_header { &[0, 2 << 20] } else { &[0] };
        for &origin in tables {
            let table = &bytes[origin..origin + 512];
            assert_eq!(table[440..444], [1; 4]);
            assert_eq!((table[446], table[462]), (0x80, 0), "the first one is active");
            assert!(table[478..510].iter().all(|byte| *byte == 0), "two partitions only");
            let bytes_at = |at: usize| {
                usize::try_from(u32::from_le_bytes(table[at..at + 4].try_into().unwrap())).unwrap()
                    * 512
            };
            let data = &bytes[origin + bytes_at(454)..][..bytes_at(458)];
            let hash = &bytes[origin + bytes_at(470)..][..bytes_at(474)];
            assert_eq!(data.len() as u64, stats.filesystem_bytes);
            let again = image::verity::format(data, data.len() as u64, b"salt").unwrap();
            assert_eq!(again, tree);
            assert!(hash.starts_with(&tree.tree) && !tree.tree.is_empty());
            assert_eq!(origin + bytes_at(470) + hash.len(), bytes.len());
            if filesystem == 0 {
                fsck(data);
            } else {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(data).unwrap();
                crate::erofs::fsck(file.path());
            }
        }
    }
}
