//! Digests the sources of osbuilder's own crates: the code is an input of every
//! artifact, so a build is only "unchanged" while the code is the same.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn main() {
    let mut hasher = Sha256::new();
    for room in ["recipe", "store", "repository", "rootfs", "image", "builder"] {
        let folder = Path::new("..").join(room).join("src");
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &mut files);
        files.sort();
        for file in files {
            hasher.update(file.to_string_lossy().as_bytes());
            hasher.update(std::fs::read(&file).unwrap_or_default());
        }
    }
    let lock = Path::new("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    hasher.update(std::fs::read(lock).unwrap_or_default());
    println!("cargo::rustc-env=OSBUILDER_SOURCES={}", hex::encode(hasher.finalize()));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
