//! A rebuilt mirror judged by others: by the real `apk` out of the same image,
//! and by our own reader.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

mod apk;
mod versions;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use apk::{Apk, RELEASE, rebuild, wheel};
use artifact_store::{Silent, Store, StoreOptions};
use mirror::{AlpineImage, AlpineMirrorOptions, MirrorError, rebuild_alpine};
use repository::apk::{ApkSource, Keys, fetch, open};
use url::Url;

/// A copy of a mirror whose files may be altered.
fn copy(from: &Path, to: &Path) {
    for part in [format!("{RELEASE}/main/x86_64"), "keys".to_owned()] {
        fs::create_dir_all(to.join(&part)).unwrap();
        for entry in fs::read_dir(from.join(&part)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(&part).join(entry.file_name())).unwrap();
        }
    }
}

/// What is done to the copy of a mirror.
type Change<'a> = &'a dyn Fn(&Path);

/// Alters the time in the header of one gzip stream of a file: it unpacks as
/// before, so that only signatures and hashes can notice.
fn alter(path: &Path, stream: usize) {
    let mut bytes = fs::read(path).unwrap();
    let head = b"\x1f\x8b\x08\0\0\0\0\0";
    let starts: Vec<usize> =
        bytes.windows(head.len()).enumerate().filter(|(_, w)| w == head).map(|(i, _)| i).collect();
    bytes[starts[stream] + 4] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn file_of(mirror: &Path, name: &str) -> PathBuf {
    let folder = mirror.join(RELEASE).join("main/x86_64");
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        let rest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).find(is_it).unwrap()
}

#[test]
fn a_real_apk_takes_the_mirror_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("alpine");
    let made = rebuild(&out);
    let apk = Apk::extract(&dir.path().join("apk"));
    let keys = made.public_key.parent().unwrap();
    let wanted = ["alpine-baselayout", "busybox", "musl", "openrc", "apk-tools", "e2fsprogs"];

    let root = dir.path().join("root");
    apk.add(&root, &out, keys, &wanted).unwrap();
    let image = AlpineImage::open(&wheel()).unwrap();
    for path in ["bin/busybox", "sbin/apk", "lib/ld-musl-x86_64.so.1"] {
        assert_eq!(fs::read(root.join(path)).unwrap(), image.read(path).unwrap(), "{path}");
    }
    assert_eq!(fs::read_link(root.join("bin/sh")).unwrap(), Path::new("/bin/busybox"));
    assert_eq!(fs::metadata(root.join("tmp")).unwrap().mode() & 0o7777, 0o1777);

    // Scripts and triggers went into its database, as on the system they came from.
    let database = |root: &dyn Fn(&str) -> Vec<u8>| {
        let triggers = String::from_utf8(root("lib/apk/db/triggers")).unwrap();
        let folders = triggers.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned()));
        let scripts = root("lib/apk/db/scripts.tar.gz");
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&scripts[..]));
        let names = archive.entries().unwrap().map(|entry| {
            let path = entry.unwrap().path().unwrap().display().to_string();
            // Without the identity, which differs: name-version.X1<sha1>.script.
            format!("{}{}", &path[..path.rfind(".X1").unwrap()], &path[path.rfind('.').unwrap()..])
        });
        folders.chain(names).collect::<BTreeSet<String>>()
    };
    let installed = database(&|path| fs::read(root.join(path)).unwrap());
    let original = database(&|path| image.read(path).unwrap());
    assert!(installed.is_subset(&original), "{installed:?} against {original:?}");
    for name in ["busybox-1.37.0-r30.trigger", "openrc-0.63-r1.post-install"] {
        assert!(installed.contains(name), "{installed:?} lacks {name}");
    }

    let altered = dir.path().join("altered");
    let attempt = |change: Change<'_>| {
        let _ = fs::remove_dir_all(&altered);
        copy(&out, &altered);
        change(&altered);
        let root = tempfile::tempdir_in(dir.path()).unwrap();
        apk.add(root.path(), &altered, &altered.join("keys"), &["musl"])
    };
    attempt(&|_| {}).unwrap();
    let index = format!("{RELEASE}/main/x86_64/APKINDEX.tar.gz");
    let refusals: [(&str, Change<'_>, &str); 5] = [
        ("index", &|m| alter(&m.join(&index), 1), "BAD signature"),
        ("control data", &|m| alter(&file_of(m, "musl"), 1), "v2 package integrity error"),
        ("files", &|m| alter(&file_of(m, "musl"), 2), "v2 package integrity error"),
        (
            "key of that name",
            &|m| {
                let other = rebuild(&m.parent().unwrap().join("other"));
                fs::copy(&other.public_key, m.join("keys").join(&made.key_name)).unwrap();
            },
            "BAD signature",
        ),
        (
            "absent key",
            &|m| fs::remove_file(m.join("keys").join(&made.key_name)).unwrap(),
            "UNTRUSTED",
        ),
    ];
    for (what, change, expected) in refusals {
        let said = attempt(change).expect_err(what);
        assert!(said.contains(expected), "{what}: {said}");
    }
}

#[test]
fn our_reader_takes_every_package_and_refuses_what_apk_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("alpine");
    let made = rebuild(&out);
    let public = fs::read(&made.public_key).unwrap();
    let store = Store::open(StoreOptions::new(dir.path().join("store"))).unwrap();
    let source = |key: Vec<u8>| ApkSource {
        mirrors: vec![Url::parse(&made.url).unwrap()],
        release: RELEASE.to_owned(),
        repositories: vec!["main".to_owned()],
        architecture: "x86_64".to_owned(),
        keys: Keys::new([(made.key_name.clone(), key)]).unwrap(),
    };
    let index = open(&store, &source(public.clone()), &Silent).unwrap();
    assert_eq!(index.packages.len(), made.packages);
    assert_eq!(index.signed_by, std::slice::from_ref(&made.key_name));
    let requests = fetch::requests(&index, &index.packages.iter().collect::<Vec<_>>()).unwrap();
    let blobs = store.fetch_all(&requests, 2, &Silent).unwrap();
    let mut files = 0;
    for (package, blob) in index.packages.iter().zip(&blobs) {
        println!("{} {} ({} bytes)", package.name, package.version, package.size);
        let read = fetch::payload(package, &blob.read().unwrap()).unwrap();
        let mut archive = tar::Archive::new(read.data_tar.as_slice());
        for entry in archive.entries().unwrap() {
            entry.unwrap();
            files += 1;
        }
    }
    println!("{files} entries; incomplete: {:#?}", made.incomplete);
    assert!(files > 2000, "{files} entries are too few for a whole system");

    // A release that the image is not of is refused, and what is there stays.
    let wrong = AlpineMirrorOptions {
        wheel: wheel(),
        out: out.clone(),
        release: "v3.2".to_owned(),
        key_name: "k".to_owned(),
    };
    let error = rebuild_alpine(&wrong).unwrap_err();
    assert!(matches!(error, MirrorError::WrongRelease { .. }), "{error}");
    assert_eq!(fs::read(&made.public_key).unwrap(), public);

    // Rebuilt in the same place with another key: the old key opens it no more.
    let again = rebuild(&out);
    assert_eq!(again.packages, made.packages);
    let fresh = Store::open(StoreOptions::new(dir.path().join("fresh"))).unwrap();
    let error = open(&fresh, &source(public), &Silent).unwrap_err();
    assert!(error.to_string().contains("does not fit the index"), "{error}");
    // But for signatures, both times gave the same bytes: identities cover them.
    let second = open(&fresh, &source(fs::read(&again.public_key).unwrap()), &Silent).unwrap();
    let identities = |index: &repository::Index| {
        index.packages.iter().map(|p| (p.name.clone(), p.identity.clone())).collect::<Vec<_>>()
    };
    assert_eq!(identities(&index), identities(&second));
}

#[test]
fn alpines_own_keys_are_read() {
    let image = AlpineImage::open(&wheel()).unwrap();
    let names = image.list("etc/apk/keys").unwrap();
    let files = names
        .iter()
        .map(|name| (name.clone(), image.read(&format!("etc/apk/keys/{name}")).unwrap()));
    let keys = Keys::new(files).unwrap();
    assert_eq!(keys.names(), names);
    assert_eq!(names.len(), 3);
}
