//! Which disks are extensions, and their partitions, as sysfs shows them. Opens no
//! device.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::{ExtensionError, SERIAL, check_name};

/// A file of sysfs is no longer than a page.
const PAGE: u64 = 4096;

/// A disk with its first two partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    /// Device name, such as `vdb`.
    pub name: String,
    /// The filesystem.
    pub data: Option<Partition>,
    /// The digests.
    pub hash: Option<Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    /// Device name, such as `vdb1`.
    pub name: String,
    /// `major:minor`.
    pub number: String,
    /// Bytes.
    pub size: u64,
}

/// The disks whose serial number says that they are extensions, by name.
pub(super) fn find(sys: &Path) -> Result<BTreeMap<String, Disk>, ExtensionError> {
    let mut found: BTreeMap<String, Disk> = BTreeMap::new();
    for name in entries(&sys.join("block")).filter(|name| name.starts_with("vd")) {
        let folder = sys.join("block").join(&name);
        let serial = read(&folder.join("serial"));
        let Some(extension) = serial.trim_end_matches(['\0', '\n']).strip_prefix(SERIAL) else {
            continue;
        };
        check_name(extension)?;
        let disk =
            Disk { data: partition(&folder, &name, 1), hash: partition(&folder, &name, 2), name };
        if let Some(other) = found.get(extension) {
            return Err(ExtensionError::Twice {
                name: extension.to_owned(),
                first: other.name.clone(),
                second: disk.name,
            });
        }
        found.insert(extension.to_owned(), disk);
    }
    Ok(found)
}

fn partition(disk: &Path, name: &str, number: u32) -> Option<Partition> {
    let name = format!("{name}{number}");
    let folder = disk.join(&name);
    // Sectors of 512 bytes, whatever those of the disk are.
    let sectors: u64 = read(&folder.join("size")).trim().parse().ok()?;
    let number = read(&folder.join("dev")).trim().to_owned();
    Some(Partition { name, number, size: sectors.checked_mul(512)? })
}

/// Names in a folder, in order; none where it is not there.
fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.into_iter()
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(PAGE).read_to_string(&mut text);
    }
    text
}
