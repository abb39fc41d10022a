//! Mirrors on disk, opened through the store.

use std::fs;
use std::path::Path;

use artifact_store::{Silent, Store, StoreOptions};
use url::Url;

use super::super::{ApkError, ApkSource, fetch, open};
use super::fixture::{index, keys, package};

fn source(mirrors: &[&Path]) -> ApkSource {
    ApkSource {
        mirrors: mirrors.iter().map(|path| Url::from_directory_path(path).unwrap()).collect(),
        release: "v3.23".to_owned(),
        repositories: vec!["main".to_owned()],
        architecture: "x86_64".to_owned(),
        keys: keys(),
    }
}

fn write_mirror(root: &Path, index: &[u8], files: &[(&str, &[u8])]) {
    let folder = root.join("v3.23/main/x86_64");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("APKINDEX.tar.gz"), index).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

struct Scene {
    dir: tempfile::TempDir,
    store: Store,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions::new(dir.path().join("store"))).unwrap();
    Scene { dir, store }
}

#[test]
fn an_index_and_its_packages_come_through_the_store() {
    let scene = scene();
    let (good, absent) = (scene.dir.path().join("good"), scene.dir.path().join("absent"));
    let hello = package("hello", "1.0-r0");
    write_mirror(&good, &index(&hello.stanza), &[("hello-1.0-r0.apk", &hello.file)]);
    let source = source(&[&absent, &good]);
    let index = open(&scene.store, &source, &Silent).unwrap();
    assert_eq!(index.description, "Alpine v3.23 main (v3.23.6-1-gabc) x86_64");
    assert_eq!(index.packages.len(), 1);
    // The mirror that had the index comes first, the other is not forgotten.
    assert_eq!(index.mirrors, [source.mirrors[1].clone(), source.mirrors[0].clone()]);
    let requests = fetch::requests(&index, &[&index.packages[0]]).unwrap();
    assert_eq!(requests[0].label, "hello 1.0-r0");
    let blobs = scene.store.fetch_all(&requests, 2, &Silent).unwrap();
    let file = fetch::payload(&index.packages[0], &blobs[0].read().unwrap()).unwrap();
    assert_eq!(file.pkginfo.name, "hello");
}

#[test]
fn an_altered_index_is_refused_though_the_mirror_serves_it() {
    let scene = scene();
    let mirror = scene.dir.path().join("mirror");
    let mut bytes = index(&package("hello", "1.0-r0").stanza);
    *bytes.last_mut().unwrap() ^= 1;
    write_mirror(&mirror, &bytes, &[]);
    let error = open(&scene.store, &source(&[&mirror]), &Silent).unwrap_err();
    assert!(error.to_string().contains("does not fit the index"), "{error}");
}

#[test]
fn an_altered_package_is_refused_though_the_mirror_serves_it() {
    let scene = scene();
    let mirror = scene.dir.path().join("mirror");
    let hello = package("hello", "1.0-r0");
    let mut altered = hello.file.clone();
    *altered.last_mut().unwrap() ^= 1;
    write_mirror(&mirror, &index(&hello.stanza), &[("hello-1.0-r0.apk", &altered)]);
    let index = open(&scene.store, &source(&[&mirror]), &Silent).unwrap();
    let requests = fetch::requests(&index, &[&index.packages[0]]).unwrap();
    let error = scene.store.fetch_all(&requests, 1, &Silent).unwrap_err();
    assert!(error.to_string().contains("its files have the sha256"), "{error}");
}

#[test]
fn several_repositories_are_joined_in_order() {
    let scene = scene();
    let mirror = scene.dir.path().join("mirror");
    write_mirror(&mirror, &index(&package("hello", "1.0-r0").stanza), &[]);
    let folder = mirror.join("v3.23/community/x86_64");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("APKINDEX.tar.gz"), index(&package("extra", "2-r0").stanza)).unwrap();
    let mut source = source(&[&mirror]);
    let one = open(&scene.store, &source, &Silent).unwrap();
    source.repositories.push("community".to_owned());
    let both = open(&scene.store, &source, &Silent).unwrap();
    let places: Vec<&str> = both.packages.iter().map(|p| p.location.as_str()).collect();
    assert_eq!(
        places,
        ["v3.23/main/x86_64/hello-1.0-r0.apk", "v3.23/community/x86_64/extra-2-r0.apk"]
    );
    assert_ne!(one.index_sha256, both.index_sha256);
}

#[test]
fn an_index_copied_from_another_architecture_is_refused() {
    let scene = scene();
    let mirror = scene.dir.path().join("mirror");
    let foreign = package("hello", "1.0-r0").stanza.replace("A:x86_64", "A:riscv64");
    write_mirror(&mirror, &index(&foreign), &[]);
    let error = open(&scene.store, &source(&[&mirror]), &Silent).unwrap_err().to_string();
    assert!(error.contains("hello 1.0-r0 for riscv64"), "{error}");
}

#[test]
fn a_source_that_names_nothing_is_refused() {
    let scene = scene();
    let mut source = source(&[]);
    let error = open(&scene.store, &source, &Silent).unwrap_err();
    assert_eq!(error.to_string(), "the Alpine source names no mirror");
    source.mirrors.push(Url::parse("data:text/plain,x").unwrap());
    let error = open(&scene.store, &source, &Silent).unwrap_err();
    assert!(matches!(error, ApkError::BadMirror(_)), "{error}");
}
