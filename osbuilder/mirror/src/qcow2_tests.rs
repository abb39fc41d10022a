//! Tests of the qcow2 reader on images made byte by byte.

use std::io::Write as _;

use flate2::Compression as Level;
use flate2::write::DeflateEncoder;

use super::*;

const CLUSTER: usize = 512;

/// A disk of five clusters of 512 bytes: plain, compressed, absent, zero, plain.
fn image(version: u32, zstd_clusters: bool) -> Vec<u8> {
    let mut file = vec![0_u8; CLUSTER * 6];
    file[..4].copy_from_slice(MAGIC);
    file[4..8].copy_from_slice(&version.to_be_bytes());
    file[20..24].copy_from_slice(&9_u32.to_be_bytes());
    file[24..32].copy_from_slice(&(5 * 512_u64).to_be_bytes());
    file[36..40].copy_from_slice(&1_u32.to_be_bytes());
    file[40..48].copy_from_slice(&512_u64.to_be_bytes());
    if version == 3 {
        let features: u64 = if zstd_clusters { 8 } else { 0 };
        file[72..80].copy_from_slice(&features.to_be_bytes());
        file[100..104].copy_from_slice(&112_u32.to_be_bytes());
        file[104] = u8::from(zstd_clusters);
    }
    // L1 at cluster 1, L2 at cluster 2, data at 3, 4; compressed bytes at 5.
    file[512..520].copy_from_slice(&((1_u64 << 63) | 1024).to_be_bytes());
    let content = [b'c'; CLUSTER];
    let packed = if zstd_clusters {
        zstd::stream::encode_all(&content[..], 1).unwrap()
    } else {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::default());
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap()
    };
    let at = CLUSTER * 5 + 7;
    file[at..at + packed.len()].copy_from_slice(&packed);
    let entries =
        [(1 << 63) | 1536, COMPRESSED | u64::try_from(at).unwrap(), 0, READS_AS_ZERO | 1536, 2048];
    for (i, entry) in entries.iter().enumerate() {
        file[1024 + i * 8..1032 + i * 8].copy_from_slice(&u64::to_be_bytes(*entry));
    }
    file[1536..2048].fill(b'a');
    file[2048..2560].fill(b'e');
    file
}

fn whole(file: Vec<u8>) -> Vec<u8> {
    let mut image = Qcow2::open(file).unwrap();
    let mut disk = vec![1; CLUSTER * 5];
    image.read_at(0, &mut disk).unwrap();
    disk
}

#[test]
fn every_kind_of_cluster_is_read() {
    for (version, zstd_clusters) in [(2, false), (3, false), (3, true)] {
        let disk = whole(image(version, zstd_clusters));
        for (cluster, byte) in [b'a', b'c', 0, 0, b'e'].into_iter().enumerate() {
            let part = &disk[cluster * CLUSTER..(cluster + 1) * CLUSTER];
            assert!(part.iter().all(|&b| b == byte), "version {version}, cluster {cluster}");
        }
    }
}

#[test]
fn reads_may_begin_and_end_anywhere() {
    let file = image(3, false);
    let disk = whole(file.clone());
    let mut reader = Qcow2::open(file).unwrap();
    for (start, length) in [(0, 1), (511, 2), (100, 1500), (1023, 1026), (2559, 1), (2560, 0)] {
        let mut part = vec![9; length];
        reader.read_at(u64::try_from(start).unwrap(), &mut part).unwrap();
        assert_eq!(part, disk[start..start + length], "{start}+{length}");
    }
    for (start, length) in [(2560, 1), (2559, 2), (u64::MAX, 1)] {
        let mut part = vec![0; length];
        let message = reader.read_at(start, &mut part).unwrap_err().to_string();
        assert!(message.ends_with("a read beyond the disk"), "{message}");
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let table: [(usize, &[u8], &str); 8] = [
        (0, b"X", "no qcow2 image"),
        (7, &[4], "version 4"),
        (15, &[1], "backing file"),
        (23, &[40], "2^40"),
        (24, &[1], "too large"),
        (35, &[1], "encrypted"),
        (79, &[4], "features that are not supported (0x4)"),
        (104, &[9], "compression type 9"),
    ];
    for (at, bytes, expected) in table {
        let mut file = image(3, false);
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let message = Qcow2::open(file).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_damage_makes_it_panic() {
    for zstd_clusters in [false, true] {
        let file = image(3, zstd_clusters);
        for at in 0..file.len() {
            for value in [0_u8, 0x7f, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = value;
                if let Ok(mut reader) = Qcow2::open(damaged) {
                    // Only that it returns matters here.
                    let _ = reader.read_at(0, &mut [0; CLUSTER * 5]);
                }
            }
        }
        for length in 0..1600 {
            if let Ok(mut reader) = Qcow2::open(file[..length].to_vec()) {
                assert!(reader.read_at(0, &mut [0; CLUSTER * 5]).is_err(), "{length} bytes pass");
            }
        }
    }
}
