//! The tar writer: the tree as a pax archive, for container layers and for
//! everybody who wants to look into a guest with ordinary tools.
//!
//! Owners are numbers, names are relative with a leading `./`, extended
//! attributes are records as GNU tar and libarchive read them. Order and bytes
//! depend on nothing but the tree. It must not know what the archive is for.

use std::collections::BTreeMap;
use std::io::Write;

use ::tar::{Builder, EntryType, Header};
use rootfs::{Inode, InodeId, Kind, Tree};

use crate::error::ImageError;

/// Bytes of a name or target in a header.
const NAME: usize = 100;
/// Largest owner and size or time in a header: 7 and 11 octal digits.
const OWNER: u32 = 0o7_777_777;
const LONG: u64 = 0o77_777_777_777;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TarStats {
    /// Entries, the root included.
    pub entries: u32,
}

/// Writes the tree as an uncompressed archive.
///
/// # Errors
///
/// A failing output.
pub fn write_tar(tree: &Tree, out: &mut dyn Write) -> Result<TarStats, ImageError> {
    let mut archive = Builder::new(out);
    let mut firsts: BTreeMap<InodeId, &str> = BTreeMap::new();
    let mut stats = TarStats::default();
    for (path, id, inode) in tree.walk() {
        let first = *firsts.entry(id).or_insert(path);
        entry(&mut archive, path, inode, (first != path).then_some(first))?;
        stats.entries += 1;
    }
    archive.into_inner()?.flush()?;
    Ok(stats)
}

fn entry(
    archive: &mut Builder<&mut dyn Write>,
    path: &str,
    inode: &Inode,
    first: Option<&str>,
) -> Result<(), ImageError> {
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let mut header = Header::new_ustar();
    let mut name = format!("./{path}");
    if inode.kind.is_directory() && !path.is_empty() {
        name.push('/');
    }
    let mut data: &[u8] = &[];
    let (kind, link) = match (&inode.kind, first) {
        (_, Some(first)) => (EntryType::Link, format!("./{first}")),
        (Kind::Symlink(target), _) => (EntryType::Symlink, target.clone()),
        (Kind::Directory, _) => (EntryType::Directory, String::new()),
        (Kind::File(content), _) => {
            data = content.as_slice();
            (EntryType::Regular, String::new())
        }
        (Kind::CharDevice { .. }, _) => (EntryType::Char, String::new()),
        (Kind::BlockDevice { .. }, _) => (EntryType::Block, String::new()),
        (Kind::Fifo, _) => (EntryType::Fifo, String::new()),
    };
    header.set_entry_type(kind);
    if let Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } = inode.kind {
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    header.set_mode(if kind == EntryType::Symlink { 0o777 } else { inode.mode & 0o7777 });
    let text = |number: &dyn ToString| number.to_string().into_bytes();
    // What a field can't hold goes into a record, and as much as fits into the
    // field, for readers that know no records.
    for (field, key, value) in [(0, "path", &name), (1, "linkpath", &link)] {
        let old = header.as_old_mut();
        let place = if field == 0 { &mut old.name } else { &mut old.linkname };
        let fits = value.len().min(NAME);
        place[..fits].copy_from_slice(&value.as_bytes()[..fits]);
        if value.len() > NAME {
            records.push((key.to_owned(), value.clone().into_bytes()));
        }
    }
    header.set_uid(inode.uid.min(OWNER).into());
    header.set_gid(inode.gid.min(OWNER).into());
    for (key, id) in [("uid", inode.uid), ("gid", inode.gid)] {
        if id > OWNER {
            records.push((key.to_owned(), text(&id)));
        }
    }
    let size = data.len() as u64;
    header.set_size(size.min(LONG));
    if size > LONG {
        records.push(("size".to_owned(), text(&size)));
    }
    let time = u64::try_from(inode.mtime).unwrap_or(0).min(LONG);
    header.set_mtime(time);
    if i64::try_from(time) != Ok(inode.mtime) {
        records.push(("mtime".to_owned(), text(&inode.mtime)));
    }
    // Another name of a file has the first one's attributes.
    for (name, value) in inode.xattrs.iter().filter(|_| first.is_none()) {
        records.push((format!("SCHILY.xattr.{name}"), value.clone()));
    }
    archive.append_pax_extensions(records.iter().map(|(key, value)| (&**key, &**value)))?;
    header.set_cksum();
    archive.append(&header, data)?;
    Ok(())
}
