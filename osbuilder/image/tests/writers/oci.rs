//! The OCI layout against skopeo and umoci, the tools that people read it with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::oci::{LAYER, OciEntry, OciError, OciFile, write_layout};
use image::write_tar;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::trees;

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program)
        .args(words)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian package of that name): {error}"))
}

/// What a tool prints, which must succeed.
#[track_caller]
fn tool(program: &str, words: &[&str]) -> String {
    let output = run(program, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vmlinuz"), trees::chaos(1, 300_000)).unwrap();
        fs::write(folder.path().join("image"), vec![0; 3 << 20]).unwrap();
        let mut tree = trees::everything();
        // What an ordinary user may unpack.
        tree.remove("dev").unwrap();
        for (path, name) in [("many", "trusted.overlay.opaque"), ("many", "security.capability")] {
            assert!(tree.get(path).unwrap().xattrs.contains_key(name));
        }
        tree.remove("many").unwrap();
        tree.remove("ping").unwrap();
        let mut archive = fs::File::create(folder.path().join("tree.tar")).unwrap();
        write_tar(&tree, &mut archive).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        let (kernel, image, tree) =
            (self.path("vmlinuz"), self.path("image"), self.path("tree.tar"));
        let annotations: BTreeMap<String, String> =
            (0..9).map(|n| (format!("org.example.a{n}"), n.to_string())).collect();
        let entries = [
            OciEntry {
                tag: "guest",
                artifact_type: Some("application/vnd.example.guest"),
                architecture: "x86_64",
                created: "2025-08-09T00:00:00Z",
                files: vec![
                    OciFile {
                        path: &kernel,
                        title: "vmlinuz",
                        media_type: "application/vnd.example.kernel",
                    },
                    OciFile {
                        path: &image,
                        title: "guest.img",
                        media_type: "application/vnd.example.image",
                    },
                ],
                annotations,
            },
            OciEntry {
                tag: "rootfs",
                artifact_type: None,
                architecture: "x86_64",
                created: "2025-08-09T00:00:00Z",
                files: vec![OciFile { path: &tree, title: "tree.tar", media_type: LAYER }],
                annotations: BTreeMap::new(),
            },
        ];
        write_layout(&folder, &entries).unwrap();
        folder
    }
}

fn reference(folder: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", folder.display())
}

#[test]
fn skopeo_inspects_and_copies_both() {
    let files = Files::new();
    let layout = files.write("layout");
    for (tag, layers) in [("guest", 2), ("rootfs", 1)] {
        let from = reference(&layout, tag);
        let seen: Value = serde_json::from_str(&tool("skopeo", &["inspect", &from])).unwrap();
        assert_eq!(seen["Architecture"], "amd64");
        assert_eq!(seen["Os"], "linux");
        assert_eq!(seen["Layers"].as_array().unwrap().len(), layers);
        let copy = files.path(&format!("copy-{tag}"));
        let to = format!("dir:{}", copy.display());
        tool("skopeo", &["copy", "--insecure-policy", &from, &to]);
        let raw = tool("skopeo", &["inspect", "--raw", &from]);
        assert_eq!(fs::read_to_string(copy.join("manifest.json")).unwrap(), raw);
        let manifest: Value = serde_json::from_str(&raw).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let digest = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = fs::read(copy.join(digest)).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), digest);
            assert_eq!(layer["size"], bytes.len());
        }
        if tag == "guest" {
            assert_eq!(manifest["artifactType"], "application/vnd.example.guest");
            let layers = &manifest["layers"];
            assert_eq!(layers[0]["mediaType"], "application/vnd.example.kernel");
            assert_eq!(layers[1]["annotations"]["org.opencontainers.image.title"], "guest.img");
            assert_eq!(manifest["annotations"]["org.example.a7"], "7");
        }
    }
}

#[test]
fn umoci_lists_and_unpacks() {
    let files = Files::new();
    let layout = files.write("layout");
    let place = layout.to_str().unwrap();
    let tags = tool("umoci", &["list", "--layout", place]);
    assert_eq!(tags.lines().collect::<Vec<_>>(), ["guest", "rootfs"]);
    for (tag, title) in [("guest", "guest.img"), ("rootfs", "tree.tar")] {
        let image = format!("{place}:{tag}");
        assert!(tool("umoci", &["stat", "--image", &image]).contains(title));
    }
    let bundle = files.path("bundle");
    let image = format!("{place}:rootfs");
    tool("umoci", &["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()]);
    let root = bundle.join("rootfs");
    assert_eq!(fs::read(root.join("bin/su2")).unwrap(), b"suid");
    assert_eq!(fs::read(root.join("sizes/c70000")).unwrap(), trees::chaos(9, 70_000));
    assert_eq!(fs::read_link(root.join("links/l31")).unwrap().as_os_str().len(), 31);
}

#[test]
fn the_same_files_give_the_same_folder() {
    let files = Files::new();
    let content = |folder: PathBuf| {
        let mut found = BTreeMap::new();
        for name in ["", "blobs/sha256"] {
            for entry in fs::read_dir(folder.join(name)).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    found.insert(entry.file_name(), fs::read(entry.path()).unwrap());
                }
            }
        }
        found
    };
    let (one, two) = (content(files.write("one")), content(files.write("two")));
    // Three files, two configurations and manifests, index and marker.
    assert_eq!(one.len(), 9);
    assert!(one == two);
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Path::new("/no/such/kernel");
    let files = vec![OciFile { path: missing, title: "k", media_type: "a/b" }];
    let entry = OciEntry {
        tag: "t",
        artifact_type: None,
        architecture: "x86_64",
        created: "2025-08-09T00:00:00Z",
        files,
        annotations: BTreeMap::new(),
    };
    let error = write_layout(folder.path(), &[entry]).unwrap_err();
    assert!(matches!(error, OciError::Io { action: "read", .. }));
    assert_eq!(error.to_string(), "/no/such/kernel can't be read");
}
