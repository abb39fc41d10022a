//! What can be known of a tree, read from the tree itself or from an archive
//! that another program made of it, in a form that compares.

use std::collections::BTreeMap;
use std::io::Read as _;

use rootfs::{InodeId, Kind, Meta, Origin, Tree};

/// Plain attributes.
pub fn meta(mode: u32) -> Meta {
    Meta::root(mode, Origin::Builder).mtime(1_700_000_000)
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Kind, with a device's number or a link's target.
    pub kind: String,
    /// Mode, owner, group and time; links have no mode that anybody keeps.
    pub meta: (u32, u64, u64, i64),
    /// Bytes of a file.
    pub bytes: Vec<u8>,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The first path that names the same inode.
    pub first: String,
}

/// All paths; the root is the empty one.
pub type Facts = BTreeMap<String, Fact>;

/// What the tree says of itself.
pub fn of_tree(tree: &Tree) -> Facts {
    let mut first: BTreeMap<InodeId, String> = BTreeMap::new();
    tree.walk()
        .map(|(path, id, inode)| {
            let (kind, bytes) = match &inode.kind {
                Kind::Directory => ("directory".to_owned(), Vec::new()),
                Kind::File(content) => ("file".to_owned(), content.as_slice().to_vec()),
                Kind::Symlink(target) => (format!("link to {target}"), Vec::new()),
                Kind::CharDevice { major, minor } => (format!("c{major}:{minor}"), Vec::new()),
                Kind::BlockDevice { major, minor } => (format!("b{major}:{minor}"), Vec::new()),
                Kind::Fifo => ("pipe".to_owned(), Vec::new()),
            };
            let mode = if kind.starts_with("link") { 0o777 } else { inode.mode };
            let fact = Fact {
                kind,
                meta: (mode, inode.uid.into(), inode.gid.into(), inode.mtime),
                bytes,
                xattrs: inode.xattrs.clone(),
                first: first.entry(id).or_insert_with(|| path.to_owned()).clone(),
            };
            (path.to_owned(), fact)
        })
        .collect()
}

/// What a pax archive says, as GNU tar writes it.
pub fn of_tar(archive: &[u8]) -> Facts {
    let mut facts = Facts::new();
    let mut reader = ::tar::Archive::new(archive);
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut xattrs, mut mtime) = (BTreeMap::new(), None);
        let (mut uid, mut gid) = (None, None);
        if let Some(extensions) = entry.pax_extensions().unwrap() {
            for extension in extensions.map(Result::unwrap) {
                let key = extension.key().unwrap();
                let text = || extension.value().unwrap();
                if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                    xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
                } else if key == "mtime" {
                    let seconds = text().split('.').next().unwrap();
                    mtime = Some(seconds.parse().unwrap());
                } else if key == "uid" {
                    uid = Some(text().parse().unwrap());
                } else if key == "gid" {
                    gid = Some(text().parse().unwrap());
                }
            }
        }
        let name = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).unwrap();
            let text = text.strip_prefix("./").unwrap_or(text);
            if text == "." { String::new() } else { text.trim_end_matches('/').to_owned() }
        };
        let path = name(&entry.path_bytes());
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let header = entry.header().clone();
        let node = || {
            let number = |part: Option<u32>| part.unwrap();
            let (major, minor) = (header.device_major().unwrap(), header.device_minor().unwrap());
            format!("{}:{}", number(major), number(minor))
        };
        let kind = match header.entry_type() {
            ::tar::EntryType::Link => {
                let mut fact: Fact = facts[&name(&link)].clone();
                fact.first = name(&link);
                facts.insert(path, fact);
                continue;
            }
            ::tar::EntryType::Directory => "directory".to_owned(),
            ::tar::EntryType::Regular => "file".to_owned(),
            ::tar::EntryType::Symlink => format!("link to {}", String::from_utf8(link).unwrap()),
            ::tar::EntryType::Char => format!("c{}", node()),
            ::tar::EntryType::Block => format!("b{}", node()),
            ::tar::EntryType::Fifo => "pipe".to_owned(),
            other => panic!("{path}: {other:?}"),
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let meta = (
            header.mode().unwrap() & 0o7777,
            uid.unwrap_or_else(|| header.uid().unwrap()),
            gid.unwrap_or_else(|| header.gid().unwrap()),
            mtime.unwrap_or_else(|| i64::try_from(header.mtime().unwrap()).unwrap()),
        );
        facts.insert(path.clone(), Fact { kind, meta, bytes, xattrs, first: path });
    }
    facts
}

/// Fails with the first path that differs, not with megabytes.
#[track_caller]
pub fn same(found: &Facts, expected: &Facts) {
    for (path, fact) in expected {
        let Some(other) = found.get(path) else { panic!("`{path}` is missing") };
        assert!(fact.bytes == other.bytes, "the bytes of `{path}` differ");
        let brief = |fact: &Fact| Fact { bytes: Vec::new(), ..fact.clone() };
        assert_eq!(brief(other), brief(fact), "`{path}`");
    }
    let extra = found.keys().find(|path| !expected.contains_key(*path));
    assert_eq!(extra, None, "only one side has it");
}
