//! Block devices: `blk` by PCI path (or node), `mmioblk` by name, `nvdimm` by the
//! node of persistent memory, `scsi` by target and unit.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kata_agent_api::agent::Storage;

use super::place::Placed;
use super::{Made, StorageError, Tools};
use crate::device::DevNode;

/// Makes a filesystem on a fresh device.
const CREATE: &str = "create_filesystem";
const MKFS: [&str; 2] = ["/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"];
/// No journal and no blocks of root's: the device lives as long as its container.
const MKFS_OPTIONS: [&str; 9] =
    ["-F", "-q", "-O", "^has_journal", "-m", "0", "-i", "163840", "-I128"];
const MKFS_DEADLINE: Duration = Duration::from_secs(60);

pub(super) async fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let device = find(tools, storage).await?;
    let mut create = false;
    for option in &storage.driver_options {
        match option.as_str() {
            CREATE | "create_filesystem=true" => create = true,
            other if other.starts_with("encryption_key=") => {
                let why = "encrypted storage needs the confidential data hub";
                return Err(StorageError::Option { option: other.to_owned(), why: why.into() });
            }
            // Others, such as the number of queues, are for the host.
            _ => {}
        }
    }
    if create {
        make_filesystem(tools, &device.path, &storage.fstype).await?;
    }
    let placed = Placed {
        source: device.path.display().to_string(),
        fstype: storage.fstype.clone(),
        options: storage.options.clone(),
    };
    tools.place(storage, placed).await?;
    Ok(Made { mounted: true, ..Made::default() })
}

/// The device that the source of a storage names.
pub(super) async fn find(tools: &Tools, storage: &Storage) -> Result<DevNode, StorageError> {
    let source = storage.source.as_str();
    let wrong = |why: String| StorageError::Source {
        driver: storage.driver.clone(),
        source_text: source.to_owned(),
        why,
    };
    let devices = &tools.devices;
    Ok(match storage.driver.as_str() {
        "scsi" => devices.scsi(source.parse().map_err(wrong)?).await?,
        "nvdimm" => devices.pmem(source).await?,
        "mmioblk" => devices.block_by_name(source).await?,
        _ if source.starts_with("/dev/") => devices.block_by_name(source).await?,
        _ => devices.block_by_pci(&source.parse().map_err(wrong)?).await?,
    })
}

async fn make_filesystem(tools: &Tools, device: &Path, fstype: &str) -> Result<(), StorageError> {
    let refused = |why: String| StorageError::option(CREATE, why);
    if fstype != "ext4" {
        return Err(refused(format!("an ext4 can be made, and no {fstype:?}")));
    }
    let program = MKFS.iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        return Err(refused("there is no mkfs.ext4 in the guest image".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(MKFS_OPTIONS).arg(device);
    let finished = tools
        .reaper
        .run(&mut command, MKFS_DEADLINE)
        .await
        .map_err(StorageError::refused(device.display().to_string()))?;
    if finished.exit.code == 0 {
        return Ok(());
    }
    Err(refused(format!("mkfs.ext4 failed: {}", finished.stderr.trim())))
}
