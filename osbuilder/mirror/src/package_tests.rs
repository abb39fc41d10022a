//! Tests of making packages, on a system that is a list in memory.

use std::collections::BTreeMap;

use repository::Package;
use repository::apk::{Keys, format_checksum, read_index, read_package};

use super::*;
use crate::index::{Entry, content};
use crate::installed::parse;

/// Paths with what lies there: a file's content, or a link's target.
#[derive(Default)]
struct Fake(BTreeMap<String, (bool, Vec<u8>)>);

impl Fake {
    fn with(mut self, path: &str, link: bool, content: &str) -> Self {
        self.0.insert(path.to_owned(), (link, content.as_bytes().to_vec()));
        self
    }
}

impl Tree for Fake {
    fn kind(&self, path: &str) -> Option<Kind> {
        self.0.get(path).map(|(link, _)| if *link { Kind::Symlink } else { Kind::File })
    }

    fn content(&self, path: &str) -> Result<Vec<u8>, MirrorError> {
        Ok(self.0[path].1.clone())
    }

    fn link_target(&self, path: &str) -> Result<Vec<u8>, MirrorError> {
        self.content(path)
    }
}

fn sum(content: &str) -> String {
    format_checksum(&Sha1::digest(content).into())
}

/// A package with a program, a link to it and a configuration file.
fn installed(extra: &str) -> Installed {
    let text = format!(
        "C:{}\nP:tool\nV:1.2-r3\nA:x86_64\nI:9\nT:A tool\nL:MIT\no:tools\nt:1700000000\nk:5\nq:7\n\
         D:/bin/sh !other\np:cmd:tool=1.2-r3\nr:old-tool\n{extra}\
         F:bin\nR:tool\na:0:0:4755\nZ:{}\nR:link\na:0:0:777\nZ:{}\nF:etc\nM:0:12:2750\nR:conf\nZ:{}\n",
        sum("the original"),
        sum("program"),
        sum("../bin/tool"),
        sum("conf"),
    );
    parse(text.as_bytes()).unwrap().remove(0)
}

fn system() -> Fake {
    Fake::default()
        .with("bin/tool", false, "program")
        .with("bin/link", true, "../bin/tool")
        .with("etc/conf", false, "conf")
}

fn built(outcome: Outcome) -> Rebuilt {
    match outcome {
        Outcome::Built(rebuilt) => rebuilt,
        Outcome::Skipped(reason) => panic!("left out: {reason}"),
    }
}

fn skipped(system: &Fake, extra: &str, signer: &Signer) -> String {
    match rebuild(system, &installed(extra), &Scripts::default(), signer).unwrap() {
        Outcome::Skipped(reason) => reason,
        Outcome::Built(_) => panic!("it was built"),
    }
}

/// The package as a reader of a signed index sees it.
fn indexed(package: &Installed, rebuilt: &Rebuilt, signer: &Signer) -> Package {
    let size = u64::try_from(rebuilt.file.len()).unwrap();
    let entries = [Entry { package, identity: rebuilt.identity, size }];
    let index = signer.sign(&content(&entries, "test").unwrap(), 0).unwrap();
    let pem = signer.public_pem().unwrap().into_bytes();
    let keys = Keys::new([(signer.file_name().to_owned(), pem)]).unwrap();
    read_index(&index, &keys, "v3.23/main/x86_64", "x86_64").unwrap().packages.remove(0)
}

#[test]
fn a_package_made_anew_reads_back_as_it_was() {
    let signer = Signer::generate("test").unwrap();
    let package = installed("");
    let scripts = Scripts::default();
    let rebuilt = built(rebuild(&system(), &package, &scripts, &signer).unwrap());
    assert_eq!(rebuilt.changed, [""; 0]);
    let entry = indexed(&package, &rebuilt, &signer);
    assert_eq!(entry.conflicts[0].name, "other");
    let read = read_package(&rebuilt.file, &entry).unwrap();
    assert_eq!((read.pkginfo.origin.as_str(), read.pkginfo.replaces_priority), ("tools", 7));
    assert_eq!(read.pkginfo.replaces[0].name, "old-tool");
    assert_eq!(read.pkginfo.provides, entry.provides);

    let mut archive = tar::Archive::new(read.data_tar.as_slice());
    let mut lines = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let sum = entry.pax_extensions().unwrap().map(|records| {
            let record = records.map(Result::unwrap).next().unwrap();
            assert_eq!(record.key().unwrap(), "APK-TOOLS.checksum.SHA1");
            record.value().unwrap()[..8].to_owned()
        });
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        assert_eq!(header.username().unwrap(), Some("root"));
        lines.push(format!(
            "{} {:o} {}:{} {} {}",
            entry.path().unwrap().display(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            entry.link_name().unwrap().map(|l| l.display().to_string()).unwrap_or_default(),
            sum.unwrap_or_default(),
        ));
    }
    let short = |content: &str| hex::encode(Sha1::digest(content))[..8].to_owned();
    let expected = [
        "bin/ 755 0:0  ".to_owned(),
        format!("bin/tool 4755 0:0  {}", short("program")),
        format!("bin/link 777 0:0 ../bin/tool {}", short("../bin/tool")),
        "etc/ 2750 0:12  ".to_owned(),
        format!("etc/conf 644 0:0  {}", short("conf")),
    ];
    assert_eq!(lines, expected);
    // The same once more gives the same bytes.
    let again = built(rebuild(&system(), &package, &scripts, &signer).unwrap());
    assert!(again.file == rebuilt.file);
}

#[test]
fn changed_configuration_is_taken_and_told() {
    let signer = Signer::generate("test").unwrap();
    let scripts = Scripts::default();
    let edited = system().with("etc/conf", false, "mine");
    let rebuilt = built(rebuild(&edited, &installed(""), &scripts, &signer).unwrap());
    assert_eq!(rebuilt.changed, ["etc/conf was changed"]);
    let mut removed = system();
    removed.0.remove("etc/conf");
    let rebuilt = built(rebuild(&removed, &installed(""), &scripts, &signer).unwrap());
    assert_eq!(rebuilt.changed, ["etc/conf is missing"]);
}

#[test]
fn a_package_with_other_changes_is_left_out() {
    let signer = Signer::generate("test").unwrap();
    let patched = system().with("bin/tool", false, "patched");
    assert_eq!(skipped(&patched, "", &signer), "bin/tool differs from what was installed");
    let mut gone = system();
    gone.0.remove("bin/link");
    assert_eq!(skipped(&gone, "", &signer), "bin/link is missing");
    let xattrs = format!("F:usr\nM:0:0:755:{}\n", sum("x"));
    assert!(skipped(&system(), &xattrs, &signer).starts_with("it has extended attributes"));
}
