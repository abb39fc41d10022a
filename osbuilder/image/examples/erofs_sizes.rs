//! Bytes and seconds of our erofs beside those of mkfs.erofs, over the files of
//! a folder of this machine:
//! `cargo run -p image --example erofs_sizes /usr/bin`.

use std::io::{Cursor, Error};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use image::{ErofsCompression, ErofsOptions, write_erofs};
use rootfs::{Meta, Origin, Tree};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let mut tree = Tree::new();
    load(&mut tree, Path::new(&folder), "")?;
    println!("{} paths, {} bytes", tree.len(), tree.total_bytes());
    for (words, compression, inline_tails) in [
        (&["-Enoinline_data"][..], ErofsCompression::None, false),
        (&[], ErofsCompression::None, true),
        (&["-zlz4"], ErofsCompression::Lz4, true),
        (&["-zlz4hc"], ErofsCompression::Lz4Hc, true),
        (&["-zlz4hc,12"], ErofsCompression::Lz4Hc, true),
    ] {
        let options = ErofsOptions {
            label: String::new(),
            uuid: [1; 16],
            timestamp: 0,
            compression,
            inline_tails,
        };
        let clock = Instant::now();
        let ours = write_erofs(&tree, &options, &mut Cursor::new(Vec::new()), 0)?.size_bytes;
        let ours_seconds = clock.elapsed().as_secs_f64();
        let file = tempfile::NamedTempFile::new()?;
        let clock = Instant::now();
        let output =
            Command::new("mkfs.erofs").args(words).arg(file.path()).arg(&folder).output()?;
        if !output.status.success() {
            return Err(Error::other(String::from_utf8_lossy(&output.stderr)).into());
        }
        let theirs = file.as_file().metadata()?.len();
        let seconds = clock.elapsed().as_secs_f64();
        println!("{words:?}: {ours} in {ours_seconds:.2} s, theirs {theirs} in {seconds:.2} s");
    }
    Ok(())
}

fn load(tree: &mut Tree, folder: &Path, below: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let meta = Meta::root(0o755, Origin::Builder).mtime(1);
    for entry in entries {
        let name = entry.file_name().into_string().map_err(|_| "a name is not UTF-8")?;
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            tree.put_directory(&path, meta.clone())?;
            load(tree, &entry.path(), &path)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path())?;
            tree.put_symlink(&path, &target.to_string_lossy(), meta.clone())?;
        } else if kind.is_file() {
            tree.put_file(&path, std::fs::read(entry.path())?, meta.clone())?;
        }
    }
    Ok(())
}
