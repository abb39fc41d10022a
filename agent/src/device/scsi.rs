//! SCSI disks, by target and unit. Only virtio-scsi's host adapters count where the
//! guest has others too, since the address says nothing of the adapter.

use std::fmt;
use std::str::FromStr;

use super::{DevNode, DeviceError, Devices, sysfs};

/// How the adapters of virtio-scsi call themselves.
const VIRTIO: &str = "virtio_scsi";

/// A target and a unit, written `ID:LUN` in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScsiAddress {
    id: u8,
    lun: u16,
}

impl FromStr for ScsiAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(id, lun)| {
            let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
            (plain(id) && plain(lun)).then_some((id.parse().ok()?, lun.parse().ok()?))
        });
        match parts {
            // The highest number that virtio-scsi can say.
            Some((id, lun)) if lun < 16384 => Ok(Self { id, lun }),
            _ => Err(format!("{text:?} is no SCSI address, ID:LUN")),
        }
    }
}

impl fmt::Display for ScsiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.lun)
    }
}

impl Devices {
    /// Has the host adapters look for a disk, and waits for it.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`]; [`DeviceError::Ambiguous`] when several adapters have
    /// a disk of that address.
    pub async fn scsi(&self, address: ScsiAddress) -> Result<DevNode, DeviceError> {
        let hosts = self.scsi_hosts();
        for host in &hosts {
            let file = self.sys.join("class/scsi_host").join(host).join("scan");
            // Channel, target, unit.
            let text = format!("0 {} {}", address.id, address.lun);
            if let Err(error) = self.os.write(&file, text.as_bytes()) {
                log::warn!("{host} does not look for disks: {error}");
            }
        }
        let what = || format!("SCSI disk {address}");
        let devices = self.sys.join("class/scsi_device");
        let look = || {
            let mut found = Vec::new();
            for host in self.scsi_hosts() {
                let number = host.trim_start_matches("host");
                let name = format!("{number}:0:{}:{}", address.id, address.lun);
                let block = devices.join(name).join("device/block");
                let disk = sysfs::names(&block).into_iter().next();
                found.extend(disk.map(|disk| (block.join(&disk), disk)));
            }
            match found.as_slice() {
                [(folder, name)] => Ok(sysfs::node(folder, &self.dev, name)),
                [] => Ok(None),
                several => Err(DeviceError::Ambiguous {
                    what: what(),
                    found: several.iter().map(|(_, name)| name.clone()).collect(),
                }),
            }
        };
        self.wait(what, look, || sysfs::names(&devices)).await
    }

    fn scsi_hosts(&self) -> Vec<String> {
        let folder = self.sys.join("class/scsi_host");
        let all = sysfs::names(&folder);
        let is_virtio =
            |host: &&String| sysfs::text(&folder.join(host).join("proc_name")) == VIRTIO;
        let virtio: Vec<String> = all.iter().filter(is_virtio).cloned().collect();
        if virtio.is_empty() { all } else { virtio }
    }
}
