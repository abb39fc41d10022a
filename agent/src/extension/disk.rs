//! Which disks are extensions, and their partitions, as sysfs shows them. Opens no
//! device.

use std::collections::BTreeMap;
use std::path::Path;

use super::{ExtensionError, SERIAL, check_name};
use crate::device::sysfs::{names, text};

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
    for name in names(&sys.join("block")) {
        if !name.starts_with("vd") {
            continue;
        }
        let folder = sys.join("block").join(&name);
        let serial = text(&folder.join("serial"));
        let Some(extension) = serial.trim_end_matches('\0').strip_prefix(SERIAL) else {
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
    let sectors: u64 = text(&folder.join("size")).parse().ok()?;
    let number = text(&folder.join("dev"));
    Some(Partition { name, number, size: sectors.checked_mul(512)? })
}
