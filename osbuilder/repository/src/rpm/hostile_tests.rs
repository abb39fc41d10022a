//! Bytes that were made to do harm, and the largest that do none: headers, cpio
//! archives and XML. Whatever is given, the readers answer, within bounds.

use std::fmt::Write as _;
use std::io::Read;

use proptest::prelude::*;

use super::error::IndexError;
use super::files::{FileKind, RpmEntry};
use super::header::{Header, Role};
use super::{cpio, filelists, primary, repomd, xml};

/// A header whose region covers it, from tags, types, counts and values.
fn header(values: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in values {
        for number in [*tag, *kind, u32::try_from(store.len()).unwrap(), *count] {
            index.extend_from_slice(&number.to_be_bytes());
        }
        store.extend_from_slice(value);
    }
    let size = i32::try_from(index.len() + 16).unwrap();
    let mut region = Vec::new();
    for number in [63, 7, i32::try_from(store.len()).unwrap(), 16] {
        region.extend_from_slice(&number.to_be_bytes());
    }
    for number in [63, 7, -size, 16] {
        store.extend_from_slice(&i32::to_be_bytes(number));
    }
    let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    bytes.extend_from_slice(&u32::try_from(values.len() + 1).unwrap().to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(store.len()).unwrap().to_be_bytes());
    [bytes, region, index, store].concat()
}

fn read(bytes: &[u8]) -> Result<Header<'_>, &'static str> {
    Header::read(bytes, Role::Package).map(|(header, _)| header)
}

#[test]
fn values_are_read_by_their_types() {
    let bytes = header(&[
        (1003, 4, 1, &[0, 0, 0, 7]),
        (1028, 4, 2, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]),
        (1030, 3, 1, &[0x81, 0xa4]),
        (1035, 8, 2, b"one\0two\0"),
        (1000, 6, 1, b"name\0"),
        (268, 7, 3, &[1, 2, 3]),
    ]);
    let header = read(&bytes).unwrap();
    assert_eq!(header.number(1003), Some(7));
    assert_eq!(header.numbers(1028), Some(vec![1, 0xffff_ffff]));
    assert_eq!(header.number(1030), Some(0o100_644));
    assert_eq!(header.strings(1035), Some(vec!["one", "two"]));
    assert_eq!(header.string(1000), Some("name"));
    assert_eq!(header.binary(268), Some(&[1, 2, 3][..]));
    assert!(!header.has(63) && header.number(1000).is_none() && header.string(1003).is_none());
}

#[test]
fn headers_that_lie_are_refused() {
    let refused = |values: &[(u32, u32, u32, &[u8])]| read(&header(values)).unwrap_err();
    assert_eq!(refused(&[(1000, 6, 1, b"name")]), "its values overlap");
    assert_eq!(refused(&[(1000, 7, 100, b"name")]), "an entry points outside of its store");
    assert_eq!(refused(&[(1000, 4, u32::MAX, &[0; 4])]), "an entry points outside of its store");
    assert_eq!(refused(&[(1000, 8, u32::MAX, b"a\0b\0")]), "a string does not end");
    assert_eq!(refused(&[(1000, 6, 2, b"a\0b\0")]), "a single string is several");
    assert_eq!(refused(&[(1000, 12, 1, b"a")]), "an entry has an unknown type");
    assert_eq!(refused(&[(1000, 7, 0, b"")]), "an entry has no value");
    assert_eq!(
        refused(&[(1000, 7, 1, b"a"), (1003, 4, 1, &[0; 4])]),
        "an entry's numbers are not aligned"
    );
    assert_eq!(refused(&[(1000, 6, 1, b"a\0"), (1000, 6, 1, b"b\0")]), "it has a tag twice");

    // An entry added behind the region would be covered by no old signature.
    let good = header(&[(1000, 6, 1, b"name\0")]);
    let mut more = good.clone();
    more.splice(16 + 32..16 + 32, [0, 0, 3, 0xeb, 0, 0, 0, 6, 0, 0, 0, 21, 0, 0, 0, 1]);
    more.extend_from_slice(b"x\0");
    more[11] += 1;
    more[15] += 2;
    assert_eq!(read(&more).unwrap_err(), "it has entries outside of its region");
    let mut huge = good.clone();
    huge[8..12].copy_from_slice(&0x0100_0000_u32.to_be_bytes());
    assert_eq!(read(&huge).unwrap_err(), "it has no entries or too many");
    huge = good;
    huge[12..16].copy_from_slice(&0x1000_0001_u32.to_be_bytes());
    assert_eq!(read(&huge).unwrap_err(), "it is larger than any real one");
}

fn entry(path: &str, kind: FileKind, size: u64, inode: u64) -> RpmEntry {
    RpmEntry {
        path: path.to_owned(),
        kind,
        mode: 0o644,
        size,
        mtime: 0,
        user: String::new(),
        group: String::new(),
        target: if kind == FileKind::Symlink { "x".to_owned() } else { String::new() },
        digest: String::new(),
        capabilities: String::new(),
        inode: (1, inode),
        rdev: 0,
        ghost: false,
        config: false,
    }
}

/// Members of rpm's own form: a file's number and its bytes.
fn stripped(members: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, content) in members {
        bytes.extend_from_slice(format!("07070X{number:08x}\0\0").as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let zeros = "0".repeat(8 * 11);
    bytes.extend_from_slice(format!("070701{zeros}0000000b00000000TRAILER!!!\0").as_bytes());
    bytes
}

#[test]
fn stripped_archives_are_read_by_the_header() {
    let entries = [
        entry("a", FileKind::Regular, 5, 1),
        entry("d", FileKind::Directory, 4096, 2),
        entry("l", FileKind::Symlink, 1, 3),
        entry("z", FileKind::Regular, 5, 1),
        entry("e", FileKind::Regular, 0, 5),
    ];
    let links = super::files::hard_links(&entries);
    assert_eq!(links, [[0, 3]]);
    let good = [(0, &b""[..]), (1, b""), (2, b"x"), (3, b"hello"), (4, b"")];
    let bytes = stripped(&good);
    let found = cpio::contents(&bytes, &entries, &links).unwrap();
    assert_eq!(&bytes[found[0].clone().unwrap()], b"hello");
    assert_eq!((&found[3], found[4].clone().map(|r| r.len())), (&None, Some(0)));

    let refused = |members: &[(usize, &[u8])]| {
        cpio::contents(&stripped(members), &entries, &links).unwrap_err().to_string()
    };
    let end = |text: String, end: &str| assert!(text.ends_with(end), "{text}");
    end(refused(&good[..4]), "it lacks a file that the header tells of");
    end(refused(&[(9, b"")]), "it holds a file that the header does not know");
    end(refused(&[(4, b""), (4, b"")]), "it holds a file twice, or one that is marked as absent");
    end(refused(&[(2, b"y")]), "it holds a symbolic link that the header tells otherwise");
    for cut in 0..bytes.len() - 11 {
        assert!(cpio::contents(&bytes[..cut], &entries, &links).is_err(), "cut at {cut}");
    }
}

/// An XML document that is made while it is read.
struct Endless<'a> {
    head: &'a str,
    piece: &'a str,
    pieces: usize,
    buffer: Vec<u8>,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if !self.head.is_empty() {
            self.buffer.extend_from_slice(self.head.as_bytes());
            self.head = "";
        }
        while self.buffer.len() < into.len() && self.pieces > 0 {
            self.buffer.extend_from_slice(self.piece.as_bytes());
            self.pieces -= 1;
        }
        let length = into.len().min(self.buffer.len());
        into[..length].copy_from_slice(&self.buffer[..length]);
        self.buffer.drain(..length);
        Ok(length)
    }
}

fn walked(head: &str, piece: &str, limit: u64) -> String {
    let document = Endless { head, piece, pieces: usize::MAX, buffer: Vec::new() };
    xml::walk(document, limit, &mut |_| Ok(())).unwrap_err().to_string()
}

#[test]
fn endless_documents_end() {
    let much = 1 << 40;
    let ends = |text: String, end: &str| assert!(text.contains(end), "{text}");
    ends(walked("<a ", "b='c' ", much), "longer than 1 MiB");
    ends(walked("<a>", "text ", much), "longer than 1 MiB");
    ends(walked("<!--", "text ", much), "longer than 1 MiB");
    ends(walked("", "<a>", much), "nested too deeply");
    ends(walked("<a>", "<b/>", 1 << 20), "larger than it may be");
    let of = |text: &str| {
        xml::walk(text.as_bytes(), much, &mut |_| Ok(())).map_err(|error| error.to_string())
    };
    ends(of("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").unwrap_err(), "document type");
    ends(of("<a>&b;</a>").unwrap_err(), "an entity that XML does not have by itself");
    ends(of("<a><b></a>").unwrap_err(), "at byte");
    ends(of("<a><b>").unwrap_err(), "it is cut off");
    assert_eq!(of("<a>&lt;&#x41;</a>").unwrap(), 17);
}

fn package(number: usize) -> String {
    format!(
        "<package type=\"rpm\"><name>p{number}</name><arch>noarch</arch><version epoch=\"0\" \
         ver=\"1\" rel=\"1\"/><checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><size \
         package=\"1\" installed=\"1\"/><location href=\"p.rpm\"/><format><rpm:requires>\
         <rpm:entry name=\"lib{number}\" flags=\"GE\" epoch=\"0\" ver=\"2\"/></rpm:requires>\
         <file>/usr/bin/p</file></format></package>",
        "00".repeat(32)
    )
}

#[test]
fn a_hundred_thousand_packages_are_read() {
    let mut document = String::from("<metadata xmlns:rpm=\"r\">");
    for number in 0..100_000 {
        let _ = write!(document, "{}", package(number));
    }
    document.push_str("</metadata>");
    let read = primary::parse(document.as_bytes(), 1 << 30, "x86_64").unwrap();
    assert_eq!((read.packages.len(), read.size), (100_000, document.len() as u64));
    assert_eq!(read.packages[99_999].depends[0].to_string(), "lib99999 (>= 2)");
    assert_eq!(read.files.iter().last(), Some(("/usr/bin/p", 99_999)));
}

#[test]
fn flaws_of_packages_are_named() {
    let of = |change: &dyn Fn(String) -> String| {
        let document = format!("<metadata xmlns:rpm=\"r\">{}</metadata>", change(package(1)));
        match primary::parse(document.as_bytes(), 1 << 20, "x86_64") {
            Ok(_) => panic!("it must be refused"),
            Err(IndexError::Xml { reason, .. }) => reason,
            Err(other) => other.to_string(),
        }
    };
    let swap = |from: &'static str, to: &'static str| of(&move |text| text.replace(from, to));
    assert_eq!(swap("p.rpm", "../p.rpm"), "the location of p1 is not below its repository");
    assert_eq!(
        swap("p.rpm\"", "p.rpm\" xml:base=\"http://x/\""),
        "the location of p1 is not below its repository"
    );
    assert_eq!(
        swap("sha256", "md5"),
        "the digest of p1 is of the kind `md5`; only sha256 is accepted"
    );
    assert_eq!(swap("\"YES\">00", "\"YES\">0"), "the digest of p1 is no SHA-256");
    assert_eq!(swap("<size package=\"1\" installed=\"1\"/>", ""), "p1 has no size");
    assert_eq!(swap("GE", "XX"), "`XX` is no comparison");
    assert_eq!(
        swap("name=\"lib1\"", "name=\"(a or\""),
        "of p1: `(a or` is no boolean dependency: an operand is missing"
    );
    assert_eq!(swap(">p1<", "><"), "`` is no name of a package");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damage_makes_a_reader_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
        let mut bytes = header(&[
            (1000, 6, 1, b"name\0"),
            (1035, 8, 3, b"one\0two\0\0"),
            (5010, 7, 2, &[1, 2]),
            (5011, 3, 1, &[0, 8]),
        ]);
        let place = at % bytes.len();
        bytes[place] = byte;
        if let Ok(header) = read(&bytes) {
            for tag in [1000, 1035, 5010, 5011] {
                let _ = (header.strings(tag), header.numbers(tag), header.binary(tag));
            }
        }
        let _ = read(&bytes[..cut.min(bytes.len())]);
        let text = format!("<repomd><data type=\"primary\">{}</data></repomd>", package(1));
        let mut text = text.into_bytes();
        let place = at % text.len();
        text[place] = byte;
        let _ = repomd::Repomd::parse(&text);
        let _ = primary::parse(&text[..], 1 << 20, "x86_64");
        let _ = filelists::owners(&text[..], 1 << 20, &["/a"].into_iter().collect());
    }
}
