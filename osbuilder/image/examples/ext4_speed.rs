//! Measures the ext4 writer: a tree of 150 MB to a file, several times.
//!
//! Prints one line per run; asserts nothing.

use std::time::Instant;

use image::{BlockSize, Ext4Options, write_ext4};
use rootfs::{Meta, Origin, Tree};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tree = Tree::new();
    let mut state = 1u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let step = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7] | 1
        };
        (0..length).map(step).collect()
    };
    for n in 0..6000 {
        let path = format!("usr/share/p{}/f{n}", n % 200);
        tree.put_file(&path, noise(10_000), Meta::root(0o644, Origin::Builder))?;
    }
    for n in 0..9 {
        let path = format!("usr/lib/lib{n}.so");
        tree.put_file(&path, noise(10_000_000), Meta::root(0o644, Origin::Builder))?;
    }
    let options = Ext4Options {
        block_size: BlockSize::Kib4,
        label: String::new(),
        uuid: [1; 16],
        hash_seed: [1; 16],
        timestamp: 0,
        free_bytes: 16 << 20,
        extra_inodes: 100,
        reserved_percent: 0,
        huge_page_files: true,
    };
    for _ in 0..5 {
        let mut file = tempfile::tempfile()?;
        let start = Instant::now();
        write_ext4(&tree, &options, &mut file, 0)?;
        let seconds = start.elapsed().as_secs_f64();
        let megabytes = f64::from(u32::try_from(tree.total_bytes())?) / 1e6;
        println!("{megabytes:.0} MB in {seconds:.3} s: {:.0} MB/s", megabytes / seconds);
    }
    Ok(())
}
