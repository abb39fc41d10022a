//! Writes an ext4 image to a file and asks other programs what is in it.

use std::path::Path;
use std::process::Command;

use image::{BlockSize, Ext4Options, Ext4Stats, write_ext4};
use rootfs::{Kind, Tree};

/// An image in a temporary file.
pub struct Image {
    /// The file, gone when dropped.
    pub file: tempfile::NamedTempFile,
    /// What the writer said.
    pub stats: Ext4Stats,
    /// Where the file system starts.
    pub offset: u64,
}

/// Plain options.
pub fn options() -> Ext4Options {
    Ext4Options {
        block_size: BlockSize::Kib4,
        label: "guest".to_owned(),
        uuid: [1; 16],
        hash_seed: [2; 16],
        timestamp: 1_700_000_000,
        free_bytes: 1 << 20,
        extra_inodes: 10,
        reserved_percent: 0,
        huge_page_files: false,
    }
}

impl Image {
    /// Writes a tree at the start of a new file.
    pub fn write(tree: &Tree, options: &Ext4Options) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let stats = write_ext4(tree, options, file.as_file_mut(), 0).unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), stats.size_bytes);
        Self { file, stats, offset: 0 }
    }

    /// e2fsck must find nothing to say.
    pub fn fsck(&self) {
        fsck(self.file.path());
    }

    /// One debugfs command's output.
    pub fn debugfs(&self, command: &str) -> String {
        String::from_utf8_lossy(&self.debugfs_bytes(command)).into_owned()
    }

    fn debugfs_bytes(&self, command: &str) -> Vec<u8> {
        let output = Command::new("debugfs")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .args(["-R", command])
            .arg(self.file.path())
            .output()
            .unwrap();
        output.stdout
    }

    /// An extended attribute's bytes.
    pub fn xattr(&self, path: &str, name: &str) -> Vec<u8> {
        let target = tempfile::NamedTempFile::new().unwrap();
        let shown = target.path().display();
        self.debugfs(&format!("ea_get -f {shown} {path} {name}"));
        std::fs::read(target.path()).unwrap()
    }

    /// A second implementation must read the tree back.
    pub fn holds(&self, tree: &Tree) {
        let reader = ext4_view::Ext4::load_from_path(self.file.path()).unwrap();
        for (path, _, inode) in tree.walk() {
            let full = format!("/{path}");
            let found = reader.symlink_metadata(full.as_str()).unwrap();
            assert_eq!(u32::from(found.mode()) & 0o7777, inode.mode, "mode of {path}");
            assert_eq!((found.uid(), found.gid()), (inode.uid, inode.gid), "owner of {path}");
            let modified = found.modified();
            assert_eq!(modified.seconds(), inode.mtime, "time of {path}");
            let kind = found.file_type();
            match &inode.kind {
                Kind::File(content) => {
                    assert!(kind.is_regular_file(), "{path}");
                    let bytes = reader.read(full.as_str()).unwrap();
                    assert!(bytes == content.as_slice(), "contents of {path}");
                }
                Kind::Symlink(target) => {
                    let read = reader.read_link(full.as_str()).unwrap();
                    assert_eq!(read.display().to_string(), *target);
                }
                Kind::Directory => {
                    let mut names: Vec<String> = reader
                        .read_dir(full.as_str())
                        .unwrap()
                        .map(|entry| entry.unwrap().file_name().as_str().unwrap().to_owned())
                        .filter(|name| name != "." && name != "..")
                        .filter(|name| !(path.is_empty() && name == "lost+found"))
                        .collect();
                    names.sort();
                    let expected: Vec<&str> = tree
                        .children(path)
                        .map(|(name, _)| name)
                        .filter(|name| !(path.is_empty() && *name == "lost+found"))
                        .collect();
                    assert_eq!(names, expected, "entries of {path}");
                }
                Kind::CharDevice { .. } => assert!(kind.is_char_dev()),
                Kind::BlockDevice { .. } => assert!(kind.is_block_dev()),
                Kind::Fifo => assert!(kind.is_fifo()),
            }
        }
    }
}

/// e2fsck must find nothing to say about an image.
pub fn fsck(image: &Path) {
    let output = Command::new("e2fsck")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .arg("-fn")
        .arg(image)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // Five passes and a summary: any further line is a complaint.
    let lines = said.lines().filter(|line| !line.starts_with("Pass ")).count();
    assert_eq!(lines, 1, "{said}");
}
