//! .deb files made by `dpkg-deb` and by hand, and a whole repository in a folder
//! that is opened through the real store.

use std::fs;
use std::path::Path;
use std::process::Command;

use artifact_store::{Silent, Store, StoreOptions};
use sha2::{Digest, Sha256};
use url::Url;

use super::ar::tests::make as make_ar;
use super::archive::{DebError, DebFile};
use super::repository::{DebSource, open};
use super::{packages, payload, requests};
use crate::compression::Compression;
use crate::compression::tests::pack;
use crate::openpgp::Keyring;
use crate::openpgp::tests::{SIGNED, TestKey, at};
use crate::package::{Package, Relation};
use crate::solve::{Exceptions, Reason, Wanted, solve};

const CONTROL: &str = "Package: hello\nVersion: 1.0-1\nArchitecture: amd64\n\
    Maintainer: Nobody <n@example.org>\nDescription: greets\n in two lines\n";

fn index_entry(name: &str, extra: &str, deb: &[u8]) -> String {
    format!(
        "Package: {name}\nVersion: 1.0-1\nArchitecture: amd64\n{extra}Installed-Size: 10\n\
         Filename: pool/main/{name}.deb\nSize: {}\nSHA256: {}\n\n",
        deb.len(),
        hex::encode(Sha256::digest(deb))
    )
}

fn hello(deb: &[u8]) -> Package {
    packages::parse(index_entry("hello", "", deb).as_bytes(), "amd64").unwrap().remove(0)
}

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A .deb with this control file and data, control and data packed alike.
fn deb(control: &str, data: &[u8], kind: Compression, end: &str) -> Vec<u8> {
    let control = tar_of(&[
        ("./control", control),
        ("./postinst", "#!/bin/sh\nexit 1\n"),
        ("./conffiles", "/etc/hello.conf\nremove-on-upgrade /etc/old.conf\n"),
        ("./md5sums", ""),
        ("./prerm", "#!/bin/sh\n"),
    ]);
    make_ar(&[
        ("debian-binary", b"2.0\n"),
        (&format!("control.tar{end}"), &pack(kind, &control)),
        ("_extra", b"ignored"),
        (&format!("data.tar{end}"), &pack(kind, data)),
    ])
}

fn read(bytes: &[u8]) -> Result<DebFile, DebError> {
    payload(&hello(bytes), bytes).map_err(|error| error.source)
}

fn said(bytes: &[u8]) -> String {
    let error = payload(&hello(bytes), bytes).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn every_compression_is_read() {
    let data = tar_of(&[("./usr/bin/hello", "hi")]);
    for (kind, end) in [
        (Compression::Xz, ".xz"),
        (Compression::Gzip, ".gz"),
        (Compression::Zstd, ".zst"),
        (Compression::None, ""),
    ] {
        let file = read(&deb(CONTROL, &data, kind, end)).unwrap();
        assert_eq!(file.data_tar, data, "{end}");
        assert_eq!(file.control.get("description"), "greets\n in two lines");
        assert_eq!(file.control.get("Nothing"), "");
        assert_eq!(file.conffiles, ["/etc/hello.conf"]);
        assert_eq!(file.scripts, ["postinst", "prerm"]);
    }
}

#[test]
fn what_dpkg_deb_makes_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("hello");
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("DEBIAN/control"), CONTROL).unwrap();
    fs::write(root.join("DEBIAN/conffiles"), "/etc/hello.conf\n").unwrap();
    fs::write(root.join("etc/hello.conf"), "greeting\n".repeat(1000)).unwrap();
    for method in ["xz", "gzip", "zstd", "none"] {
        let out = temp.path().join("out.deb");
        let output = Command::new("dpkg-deb")
            .args(["--root-owner-group", &format!("-Z{method}"), "--build"])
            .args([&root, &out])
            .output()
            .expect("this test needs dpkg-deb; run it on Debian or install dpkg");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = read(&fs::read(&out).unwrap()).unwrap();
        assert_eq!(file.conffiles, ["/etc/hello.conf"]);
        let mut archive = tar::Archive::new(&file.data_tar[..]);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(names.iter().any(|name| name.ends_with("etc/hello.conf")), "{names:?}");
    }
}

#[test]
fn broken_debs_are_refused_with_the_reason() {
    let data = tar_of(&[("./usr/bin/hello", "hi")]);
    let make = |control: &str| deb(control, &data, Compression::Xz, ".xz");
    let good = make(CONTROL);
    let cases: [(Vec<u8>, &str); 9] = [
        (b"PK\x03\x04".to_vec(), "not a .deb file: it does not begin like an ar archive"),
        (good[..good.len() - 40].to_vec(), "not a .deb file: it is cut off in a member"),
        (make_ar(&[("control.tar.xz", b"")]), "it does not begin with debian-binary"),
        (make_ar(&[("debian-binary", b"3.0\n")]), "it is not of format 2"),
        (make_ar(&[("debian-binary", b"2.0\n")]), "it is not made of control.tar and data.tar"),
        (
            make(&CONTROL.replace("hello", "hallo")),
            "calls its Package `hello`, but the package says `hallo`",
        ),
        (make(&CONTROL.replace("1.0-1", "1.0-2")), "calls its Version `1.0-1`"),
        (make("no control\n"), "its control file is wrong: `no control` is neither"),
        (make(&format!("{CONTROL}\nPackage: two\n")), "two paragraphs"),
    ];
    for (bytes, expected) in cases {
        let said = said(&bytes);
        assert!(said.starts_with("the package hello 1.0-1 can't be used: "), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let no_control = make_ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &tar_of(&[("./md5sums", "")])),
        ("data.tar", b""),
    ]);
    assert!(said(&no_control).contains("the field Package is missing"));
    let wrong_order = make_ar(&[
        ("debian-binary", b"2.0\n"),
        ("data.tar", b""),
        ("control.tar", &tar_of(&[("./control", CONTROL)])),
    ]);
    assert!(said(&wrong_order).contains("not made of control.tar and data.tar"));
}

#[test]
fn truncation_and_alteration_never_pass_or_panic() {
    let data = tar_of(&[("./usr/bin/hello", "hi")]);
    let good = deb(CONTROL, &data, Compression::Xz, ".xz");
    for cut in 0..good.len() - 1 {
        assert!(read(&good[..cut]).is_err(), "cut to {cut}");
    }
    for at in 0..good.len() {
        let mut altered = good.clone();
        altered[at] ^= 0x55;
        // Times and owners in headers say nothing; contents must not change.
        if let Ok(file) = read(&altered) {
            assert_eq!(file.data_tar, data, "byte {at}");
            assert_eq!(file.control.get("Package"), "hello", "byte {at}");
        }
    }
}

#[test]
fn a_bomb_is_stopped_by_its_installed_size() {
    let zeros = vec![0; 66 << 20];
    for (kind, end) in [
        (Compression::Xz, ".xz"),
        (Compression::Gzip, ".gz"),
        (Compression::Zstd, ".zst"),
        (Compression::None, ""),
    ] {
        let bomb = deb(CONTROL, &zeros, kind, end);
        assert!(bomb.len() < 1 << 20 || kind == Compression::None);
        let expected = format!(
            "the package hello 1.0-1 can't be used: data.tar{end} can't be unpacked: it unpacks \
             to more than 67149824 bytes"
        );
        assert_eq!(said(&bomb), expected);
    }
}

#[test]
fn a_bomb_in_the_control_archive_is_stopped() {
    let control = tar_of(&[("./control", &format!("{CONTROL}{}", " ".repeat(33 << 20)))]);
    let data = tar_of(&[("./usr/bin/hello", "hi")]);
    for (kind, end) in
        [(Compression::Xz, ".xz"), (Compression::Gzip, ".gz"), (Compression::Zstd, ".zst")]
    {
        let bomb = make_ar(&[
            ("debian-binary", b"2.0\n"),
            (&format!("control.tar{end}"), &pack(kind, &control)),
            ("data.tar", &data),
        ]);
        let expected = format!("control.tar{end} can't be unpacked: it unpacks to more than 3355");
        assert!(said(&bomb).contains(&expected), "{}", said(&bomb));
    }
}

#[test]
fn what_is_packed_inside_of_a_file_stays_packed() {
    // Nothing unpacks a member of a member: a bomb in there is a file.
    let inner = deb(CONTROL, &vec![0; 1 << 20], Compression::Xz, ".xz");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(inner.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "./srv/inner.deb", inner.as_slice()).unwrap();
    let data = tar.into_inner().unwrap();
    let file = read(&deb(CONTROL, &data, Compression::Zstd, ".zst")).unwrap();
    assert_eq!(file.data_tar, data);
}

/// A repository in a folder, as a mirror has it.
struct Mirror {
    root: tempfile::TempDir,
    key: TestKey,
}

impl Mirror {
    fn new() -> Self {
        let mirror = Self { root: tempfile::tempdir().unwrap(), key: TestKey::new(7) };
        let data = tar_of(&[("./usr/bin/hello", "hi")]);
        let hello = deb(CONTROL, &data, Compression::Xz, ".xz");
        let lib = deb(&CONTROL.replace("hello", "libgreet"), &data, Compression::Gzip, ".gz");
        mirror.put("pool/main/hello.deb", &hello);
        mirror.put("pool/main/libgreet.deb", &lib);
        let index = index_entry("hello", "Depends: libgreet (>= 1)\n", &hello)
            + &index_entry("libgreet", "", &lib);
        mirror.publish(index.as_bytes());
        mirror
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn publish(&self, index: &[u8]) {
        let packed = pack(Compression::Xz, index);
        let digest = hex::encode(Sha256::digest(&packed));
        self.put(&format!("dists/trixie/main/binary-amd64/by-hash/SHA256/{digest}"), &packed);
        self.release(&format!(
            " {} {} main/binary-amd64/Packages\n {digest} {} main/binary-amd64/Packages.xz\n",
            hex::encode(Sha256::digest(index)),
            index.len(),
            packed.len()
        ));
    }

    fn release(&self, files: &str) {
        let release = format!(
            "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Tue, 14 Nov 2023 22:00:00 UTC\n\
             Valid-Until: Tue, 21 Nov 2023 22:00:00 UTC\nAcquire-By-Hash: yes\n\
             Architectures: all amd64\nComponents: main\nSHA256:\n{files}"
        );
        self.put("dists/trixie/InRelease", self.key.sign(&release).as_bytes());
    }

    fn source(&self, keyring: Keyring) -> DebSource {
        DebSource {
            mirrors: vec![Url::from_directory_path(self.root.path()).unwrap()],
            suite: "trixie".to_owned(),
            components: vec!["main".to_owned()],
            architecture: "amd64".to_owned(),
            keyring,
            now: at(SIGNED),
        }
    }
}

fn store(dir: &Path) -> Store {
    let mut options = StoreOptions::new(dir);
    options.retries = 0;
    Store::open(options).unwrap()
}

fn failure(store: &Store, source: &DebSource) -> String {
    let error = open(store, source, &Silent).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_repository_is_opened_solved_and_unpacked() {
    let mirror = Mirror::new();
    let temp = tempfile::tempdir().unwrap();
    let store = store(temp.path());
    let mut source = mirror.source(mirror.key.keyring());
    let missing = Url::from_directory_path(temp.path().join("missing")).unwrap();
    source.mirrors.insert(0, missing.clone());

    let index = open(&store, &source, &Silent).unwrap();
    assert_eq!(index.description, "Debian trixie main amd64");
    assert_eq!(index.signed_by, mirror.key.keyring().fingerprints());
    assert_eq!(index.mirrors.last(), Some(&missing), "the one that served it comes first");
    assert_eq!(index.date, Some(1_699_999_200));

    let wanted = [Wanted { relation: Relation::any("hello"), why: "the test".to_owned() }];
    let selected = solve(&index.packages, &wanted, &Exceptions::default()).unwrap();
    let chosen: Vec<&Package> = selected.iter().map(|s| &index.packages[s.index]).collect();
    let names: Vec<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["hello", "libgreet"]);
    assert_eq!(
        selected[1].because,
        Reason::DependencyOf { package: 0, requirement: "libgreet (>= 1)".to_owned() }
    );

    let blobs = store.fetch_all(&requests(&index, &chosen), 2, &Silent).unwrap();
    for (package, blob) in chosen.iter().zip(blobs) {
        let file = payload(package, &blob.read().unwrap()).unwrap();
        assert_eq!(file.control.get("Package"), package.name);
    }

    // A second time the derived form is enough; the index itself may be gone.
    fs::remove_dir_all(mirror.root.path().join("dists/trixie/main")).unwrap();
    for entry in fs::read_dir(temp.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("derived") && !path.ends_with("tmp") {
            for file in fs::read_dir(&path).unwrap() {
                let file = file.unwrap().path();
                let _ =
                    if file.is_dir() { fs::remove_dir_all(file) } else { fs::remove_file(file) };
            }
        }
    }
    let again = open(&store, &source, &Silent).unwrap();
    assert_eq!(again.packages, index.packages);
    assert_eq!(again.index_sha256, index.index_sha256);
}

#[test]
fn a_repository_that_is_not_to_be_trusted_is_refused() {
    let mirror = Mirror::new();
    let temp = tempfile::tempdir().unwrap();
    let store = store(temp.path());
    let good = mirror.source(mirror.key.keyring());

    let stranger = mirror.source(TestKey::new(8).keyring());
    let said = failure(&store, &stranger);
    assert!(said.contains("is not in the keyring"), "{said}");
    assert_eq!(said.matches("InRelease of trixie").count(), 1, "{said}");

    let late = DebSource { now: at(SIGNED + 8 * 86_400), ..good.clone() };
    let said = failure(&store, &late);
    assert!(said.contains("the Release expired on Tue, 21 Nov 2023"), "{said}");

    let other = DebSource { components: vec!["contrib".to_owned()], ..good.clone() };
    let said = failure(&store, &other);
    assert!(said.contains("no component contrib; there are: main"), "{said}");

    let escape = DebSource { suite: "../trixie".to_owned(), ..good.clone() };
    assert_eq!(failure(&store, &escape), "`../trixie` can't be the name of a suite or component");

    let path = mirror.root.path().join("dists/trixie/InRelease");
    let signed = fs::read_to_string(&path).unwrap();
    fs::write(&path, signed.replace("Suite: stable", "Suite: stab1e")).unwrap();
    let said = failure(&store, &good);
    assert!(said.contains("the file was altered"), "{said}");

    mirror.release(" 00 1 main/binary-amd64/Packages.xz\n");
    assert!(failure(&store, &good).contains("the field SHA256 can't be"));
    mirror.release("");
    let said = failure(&store, &good);
    assert!(said.contains("lists no main/binary-amd64/Packages"), "{said}");
}

#[test]
fn an_index_that_is_not_the_listed_one_is_refused() {
    let mirror = Mirror::new();
    let temp = tempfile::tempdir().unwrap();
    let folder = mirror.root.path().join("dists/trixie/main/binary-amd64/by-hash/SHA256");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let said = failure(&store(temp.path()), &mirror.source(mirror.key.keyring()));
    assert!(said.contains("trixie main/binary-amd64/Packages.xz"), "{said}");

    // Signed, but not an index.
    mirror.publish(b"Package: x\nVersion: 1\n\n");
    let said = failure(&store(temp.path()), &mirror.source(mirror.key.keyring()));
    assert!(said.contains("broken at package x: the field SHA256 is missing"), "{said}");
}
