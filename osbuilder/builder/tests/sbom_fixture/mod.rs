//! A small guest made in memory, for the tests of bills and explanations.

use osbuilder::{Artifact, Manifest, MirrorRecord, PackageRecord};
use recipe::{Init, Type};
use rootfs::{Meta, Origin, Tree};

/// A package whose digest follows from its version.
pub fn record(name: &str, version: &str, because: &str, needed_by: Option<&str>) -> PackageRecord {
    let mut digits = version.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    digits = digits.chars().chain("0".repeat(64).chars()).take(64).collect();
    PackageRecord {
        name: name.into(),
        version: version.into(),
        architecture: "amd64".into(),
        source: name.into(),
        identity: format!("sha256:{digits}"),
        because: because.into(),
        needed_by: needed_by.map(Into::into),
        location: Some(format!("pool/{name}_{version}.deb")),
        size: Some(1000),
        license: None,
    }
}

/// A toy image of three packages.
pub fn manifest() -> Manifest {
    Manifest {
        format: 1,
        artifact: Artifact { file: "kata-toy-1.img".into(), size: 4096, sha256: "5f".repeat(32) },
        distro: "toy".into(),
        version: "1".into(),
        r#type: Type::Image,
        init: Init::Systemd,
        variant: None,
        architecture: "x86_64".into(),
        filesystem: Some("ext4".into()),
        compression: None,
        dax: Some(true),
        verity: None,
        kernel_parameters: vec!["quiet".into()],
        source_date_epoch: 86_400,
        inputs: "11".repeat(32),
        osbuilder: "9.9.9".into(),
        agent_version: "3.0".into(),
        agent_sha256: "ab".repeat(32),
        mirror: MirrorRecord {
            url: "http://mirror.example.org/toy/".into(),
            chosen_by: "the recipe".into(),
            description: "toy 1".into(),
            signed_by: vec!["KEY".into()],
            index_sha256: "cd".repeat(32),
        },
        packages: vec![
            record("bash", "5.2+b1", "asked for by recipes/toy/recipe.yaml", None),
            record("libc6", "1:2.41", "libtinfo6 needs libc6 (>= 2.34)", Some("libtinfo6")),
            record("libtinfo6", "6.5", "bash needs libtinfo6", Some("bash")),
        ],
    }
}

/// What is in it.
pub fn tree() -> Tree {
    let mut tree = Tree::new();
    let package = |name: &str| Meta::root(0o755, Origin::package(name));
    tree.put_directory("usr/bin", package("bash")).unwrap();
    tree.put_file("usr/bin/bash", vec![b'b'; 5000], package("bash")).unwrap();
    tree.put_file("usr/bin/su", vec![b's'; 10], Meta::root(0o4755, Origin::package("bash")))
        .unwrap();
    tree.put_directory("usr/lib", package("libc6")).unwrap();
    tree.put_file("usr/lib/libc.so.6", vec![b'c'; 9000], package("libc6")).unwrap();
    tree.put_symlink("bin", "usr/bin", Meta::root(0o777, Origin::Builder)).unwrap();
    let hosts = Meta::root(0o644, Origin::recipe("files: /etc/hosts"));
    tree.put_file("etc/hosts", "127.0.0.1 localhost\n", hosts).unwrap();
    tree.put_file("usr/bin/kata-agent", vec![b'a'; 3000], Meta::root(0o755, Origin::Builder))
        .unwrap();
    tree
}
