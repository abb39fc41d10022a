//! Trees as lists that compare: ours from the list of contents, theirs from a
//! folder on disk.

use osbuilder::contents::{Contents, Entry, EntryType, escape};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `d`, `f`, `l`, `c`, `b` or `p`, as find has it.
    pub kind: char,
    /// Permission bits; a symbolic link has none that mean anything.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Text of a link, or digest of a file.
    pub content: String,
    /// First path of the same file, where there are several.
    pub linked: Option<String>,
}

/// A tree by absolute path; the root is `/`.
pub type Listing = BTreeMap<String, Seen>;

/// Our own tree, but for what `leave_out` names.
pub fn ours(contents: &Contents, leave_out: impl Fn(&Entry) -> bool) -> Listing {
    let kept = contents.entries.iter().filter(|entry| !leave_out(entry));
    let mut listing: Listing = kept
        .map(|entry| {
            let kind = match entry.r#type {
                EntryType::Directory => 'd',
                EntryType::File => 'f',
                EntryType::Symlink => 'l',
                EntryType::CharDevice => 'c',
                EntryType::BlockDevice => 'b',
                EntryType::Fifo => 'p',
            };
            let mode = u32::from_str_radix(&entry.mode, 8).unwrap();
            let content = entry.sha256.clone().or_else(|| entry.target.clone());
            let seen = Seen {
                kind,
                mode: if kind == 'l' { 0 } else { mode },
                owner: (entry.uid, entry.gid),
                content: content.unwrap_or_default(),
                linked: entry.hard_link.clone(),
            };
            (entry.path.clone(), seen)
        })
        .collect();
    // The first of several names is one of them, as find sees it.
    let firsts: Vec<String> = listing.values().filter_map(|seen| seen.linked.clone()).collect();
    for first in firsts {
        if let Some(seen) = listing.get_mut(&first) {
            seen.linked = Some(first);
        }
    }
    listing
}

/// What a shell script makes in the folder `$ROOT`, with owners as the script
/// set them: run under fakeroot, so that anybody may set them.
pub fn theirs(root: &Path, script: &str, words: &[&OsStr]) -> Listing {
    fs::create_dir_all(root).unwrap();
    let find = "find \"$ROOT\" -printf '%P\\0%y\\0%m\\0%U\\0%G\\0%n\\0%i\\0%l\\0'";
    let script = format!("set -e\numask 022\n{{\n{script}\n}} >&2\n{find}");
    let output = Command::new("fakeroot")
        .args(["sh", "-c", &script, "sh"])
        .args(words)
        .env("ROOT", root)
        .output()
        .unwrap_or_else(|error| panic!("fakeroot: {error}; run cargo xtask setup ci"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    parse(root, &output.stdout)
}

/// The folder as it is, with the owners that it has.
pub fn folder(root: &Path) -> Listing {
    let format = "%P\\0%y\\0%m\\0%U\\0%G\\0%n\\0%i\\0%l\\0";
    let output = Command::new("find").arg(root).args(["-printf", format]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(root, &output.stdout)
}

fn parse(root: &Path, found: &[u8]) -> Listing {
    let mut listing = Listing::new();
    let mut inodes: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    let fields: Vec<&[u8]> = found.split(|byte| *byte == 0).collect();
    for entry in fields.chunks_exact(8) {
        let &[path, kind, mode, uid, gid, links, inode, target] = entry else { unreachable!() };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let name = format!("/{}", escape(path));
        let kind = char::from(kind[0]);
        let content = match kind {
            'f' => {
                let bytes = fs::read(root.join(OsStr::from_bytes(path))).unwrap();
                hex::encode(Sha256::digest(bytes))
            }
            'l' => escape(target),
            _ => String::new(),
        };
        if kind == 'f' && links != b"1" {
            inodes.entry(inode.to_vec()).or_default().push(name.clone());
        }
        let mode = if kind == 'l' { 0 } else { u32::from_str_radix(&text(mode), 8).unwrap() };
        let owner = (text(uid).parse().unwrap(), text(gid).parse().unwrap());
        listing.insert(name, Seen { kind, mode, owner, content, linked: None });
    }
    for mut names in inodes.into_values() {
        names.sort();
        for name in &names {
            listing.get_mut(name).unwrap().linked = Some(names[0].clone());
        }
    }
    listing
}
