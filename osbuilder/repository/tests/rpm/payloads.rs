//! Packages' files: ours are those that rpm2cpio and cpio make, with the owners,
//! times and capabilities that rpm tells.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use super::*;

/// What both sides are compared by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    kind: char,
    mode: u32,
    mtime: u64,
    owner: String,
    /// A digest, or a link's target.
    content: String,
    /// The first of the paths that share the file.
    link: String,
    capabilities: String,
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The archive that we give.
fn ours(tar: &[u8]) -> BTreeMap<String, Entry> {
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
        let mut records: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for record in entry.pax_extensions().unwrap().into_iter().flatten() {
            let record = record.unwrap();
            records.insert(record.key().unwrap().to_owned(), record.value_bytes().to_vec());
        }
        let header = entry.header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let name = |key: &str, short: Option<&str>| match records.get(key) {
            Some(long) => String::from_utf8(long.clone()).unwrap(),
            None => short.unwrap().to_owned(),
        };
        let owner = format!(
            "{}:{}",
            name("uname", header.username().unwrap()),
            name("gname", header.groupname().unwrap())
        );
        let target = entry.link_name().unwrap().map(|link| link.to_string_lossy().into_owned());
        let mut all = Entry {
            mode: header.mode().unwrap(),
            mtime: header.mtime().unwrap(),
            owner,
            link: path.clone(),
            ..Entry::default()
        };
        let capability = records.get("SCHILY.xattr.security.capability");
        all.capabilities = capability.map(hex::encode).unwrap_or_default();
        match header.entry_type() {
            tar::EntryType::Regular => {
                all.kind = '-';
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                all.content = digest(&bytes);
            }
            tar::EntryType::Link => {
                let first = found[&target.unwrap()].clone();
                all = Entry { link: first.link.clone(), ..first };
            }
            tar::EntryType::Symlink => {
                (all.kind, all.content) = ('l', target.unwrap());
            }
            tar::EntryType::Directory => all.kind = 'd',
            tar::EntryType::Fifo => all.kind = 'p',
            other => panic!("{path} is a {other:?}"),
        }
        assert!(found.insert(path.clone(), all).is_none(), "{path} is there twice");
    }
    found
}

/// What the real tools make of a package.
fn theirs(file: &Path, folder: &Path) -> BTreeMap<String, Entry> {
    let cpio = fixture::run(Command::new("rpm2cpio").arg(file)).stdout;
    let mut child = Command::new("cpio")
        .args(["-idm", "--quiet", "--no-absolute-filenames"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&cpio).unwrap();
    assert!(child.wait().unwrap().success());
    let query = "[%{FILENAMES}|%{FILEMODES:octal}|%{FILEMTIMES}|%{FILEUSERNAME}:%{FILEGROUPNAME}|\
                 %{FILECAPS}|%{FILEFLAGS}\n]";
    let output = fixture::run(Command::new("rpm").args(["-qp", "--qf", query]).arg(file));
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    let mut inodes: BTreeMap<u64, String> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let path = fields[0].trim_start_matches('/').to_owned();
        if fields[5].parse::<u32>().unwrap() & 64 != 0 {
            assert!(folder.join(&path).symlink_metadata().is_err(), "a ghost was unpacked");
            continue;
        }
        let mode = u32::from_str_radix(fields[1], 8).unwrap();
        let on_disk = folder.join(&path);
        let meta = on_disk.symlink_metadata().unwrap();
        let mut entry = Entry {
            mode: mode & 0o7777,
            mtime: fields[2].parse().unwrap(),
            owner: fields[3].to_owned(),
            link: path.clone(),
            capabilities: kernel_form(fields[4]),
            ..Entry::default()
        };
        if meta.is_symlink() {
            entry.kind = 'l';
            entry.content = std::fs::read_link(&on_disk).unwrap().display().to_string();
        } else if meta.is_dir() {
            entry.kind = 'd';
        } else if meta.is_file() {
            entry.kind = '-';
            entry.content = digest(&std::fs::read(&on_disk).unwrap());
            entry.link = inodes.entry(meta.ino()).or_insert(path.clone()).clone();
            assert_eq!(meta.permissions().mode() & 0o1777, entry.mode & 0o1777, "{path}");
        } else {
            entry.kind = 'p';
        }
        found.insert(path, entry);
    }
    found
}

/// What setcap writes for these texts; it may do so for root only, so that its
/// answers are kept here.
fn kernel_form(text: &str) -> String {
    match text {
        "" => "",
        "cap_net_raw=ep" => "0100000200200000000000000000000000000000",
        "cap_chown,cap_bpf=ei" => "0100000200000000010000000000000080000000",
        other => panic!("setcap was never asked about {other}"),
    }
    .to_owned()
}

fn compare(file: &Path) -> rpm::RpmFile {
    let (package, bytes) = indexed(file);
    let unpacked = rpm::payload(&package, &bytes, &rpm::Proof::Index).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (ours(&unpacked.data_tar), theirs(file, folder.path()));
    assert_eq!(ours, theirs, "{}", file.display());
    assert!(!ours.is_empty());
    unpacked
}

fn tricky() -> String {
    let long = "a-rather-long-name-".repeat(12);
    spec(
        "tricky",
        "%pre\ntrue\n%post\ntrue\n",
        &format!(
            "mkdir -p usr/bin etc usr/share/doc/tricky var/empty usr/share/{long}\n\
             head -c 300000 /dev/zero | tr '\\0' x > usr/bin/big\n\
             echo set > usr/bin/setuid\n\
             echo linked > usr/bin/a; ln usr/bin/a usr/bin/b; ln usr/bin/a etc/c\n\
             ln usr/bin/a usr/bin/z\n\
             : > etc/empty1; ln etc/empty1 etc/empty2\n\
             ln -s ../etc/c usr/bin/link; ln -s /{long}/{long} usr/bin/far\n\
             echo caps > usr/bin/ping; echo two > usr/bin/two\n\
             echo conf > etc/tricky.conf; echo ghost > etc/ghost\n\
             echo doc > usr/share/doc/tricky/README; echo long > usr/share/{long}/{long}\n\
             echo 'näme with blanks' > 'etc/n\u{e4}me with blanks'\n\
             mkfifo var/pipe; touch -d @86400 usr/bin/big\n"
        ),
        &format!(
            "%dir %attr(0710,root,mail) /var/empty\n/usr/bin/big\n\
             %attr(4755,root,root) /usr/bin/setuid\n/usr/bin/a\n/usr/bin/b\n/etc/c\n/usr/bin/z\n\
             /etc/empty1\n/etc/empty2\n/usr/bin/link\n/usr/bin/far\n\
             %caps(cap_net_raw=ep) /usr/bin/ping\n\
             %caps(cap_bpf,cap_chown=ei) %attr(0750,daemon,mail) /usr/bin/two\n\
             %config(noreplace) /etc/tricky.conf\n%ghost /etc/ghost\n\
             %doc /usr/share/doc/tricky/README\n/usr/share/{long}\n\
             \"/etc/n\u{e4}me with blanks\"\n/var/pipe\n\
             %attr(-,a-user-whose-name-is-longer-than-32-bytes,wheel) /etc/empty1\n"
        ),
    )
    // A file may be listed once; the long owner goes to a file of its own.
    .replace(
        "%attr(-,a-user-whose-name-is-longer-than-32-bytes,wheel) /etc/empty1\n",
        "%attr(0644,a-user-whose-name-is-longer-than-32-bytes,wheel) /etc/owned\n",
    )
    .replace("mkfifo var/pipe;", "mkfifo var/pipe; echo o > etc/owned;")
}

#[test]
fn every_compressor_gives_the_files_that_rpm_gives() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Workshop::new(folder.path());
    for payload in ["w9.gzdio", "w2.xzdio", "w19.zstdio", "w2.lzdio", "w.ufdio"] {
        let files = shop.build(&tricky(), Build { payload, ..Build::default() });
        let unpacked = compare(&files[0]);
        assert_eq!(unpacked.scripts, ["pre", "post"]);
        assert_eq!(unpacked.conffiles, ["/etc/tricky.conf"]);
        assert_eq!(unpacked.signed_by, [""; 0]);
    }
    let files = shop.build(&tricky(), Build { payload: "w9.bzdio", ..Build::default() });
    let (package, bytes) = indexed(&files[0]);
    let error = rpm::payload(&package, &bytes, &rpm::Proof::Index).unwrap_err();
    assert_eq!(
        told(&error),
        "the package tricky 1.0-1 can't be used: it needs rpmlib(PayloadIsBzip2) of the one who \
         unpacks it, which is not supported"
    );
}

#[test]
fn other_digests_of_files_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Workshop::new(folder.path());
    for algorithm in ["1", "2", "10"] {
        let macros = [("_binary_filedigest_algorithm", algorithm)];
        let files = shop.build(&tricky(), Build { macros: &macros, ..Build::default() });
        compare(&files[0]);
    }
}

#[test]
fn a_package_without_files_is_an_empty_archive() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Workshop::new(folder.path());
    let files = shop.build(&spec("bare", "", "", ""), Build::default());
    let (package, bytes) = indexed(&files[0]);
    let unpacked = rpm::payload(&package, &bytes, &rpm::Proof::Index).unwrap();
    assert!(ours(&unpacked.data_tar).is_empty());
}
