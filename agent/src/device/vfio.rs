//! Devices that a container drives by itself: given to vfio-pci, with the group that
//! the guest's IOMMU has put them in.

use super::{DevNode, DeviceError, Devices, PciDevice, PciPath, sysfs};

/// The driver.
const DRIVER: &str = "vfio-pci";

/// What a program opens to drive a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfioGroup {
    /// Number of the group.
    pub number: u32,
    /// Its node, such as `/dev/vfio/3`.
    pub node: DevNode,
    /// The device.
    pub device: PciDevice,
}

impl Devices {
    /// Waits for a device, gives it to vfio-pci and waits for its group.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`] when the device or the group does not appear;
    /// [`DeviceError::Refused`] when the driver can't be changed.
    pub async fn vfio_group(&self, path: &PciPath) -> Result<VfioGroup, DeviceError> {
        let device = self.pci(path).await?;
        self.give_to_vfio(&device)?;
        let look = || {
            let group = sysfs::link_name(&device.sysfs.join("iommu_group"));
            let Some(number) = group.and_then(|group| group.parse::<u32>().ok()) else {
                return Ok(None);
            };
            let name = number.to_string();
            let folder = self.sys.join("class/vfio").join(&name);
            let node = sysfs::node(&folder, &self.dev.join("vfio"), &name);
            Ok(node.map(|node| VfioGroup { number, node, device: device.clone() }))
        };
        let what =
            || format!("VFIO group of the device {}, at the PCI path {path},", device.address);
        self.wait(what, look, || sysfs::names(&self.sys.join("class/vfio"))).await
    }

    fn give_to_vfio(&self, device: &PciDevice) -> Result<(), DeviceError> {
        let driver = device.sysfs.join("driver");
        let has = sysfs::link_name(&driver);
        if has.as_deref() == Some(DRIVER) {
            return Ok(());
        }
        let address = device.address.as_bytes();
        let write = |file: std::path::PathBuf, text: &[u8]| {
            let what = format!("can't give the device {} to {DRIVER}", device.address);
            self.os.write(&file, text).map_err(|source| DeviceError::Refused { what, source })
        };
        write(device.sysfs.join("driver_override"), DRIVER.as_bytes())?;
        if has.is_some() {
            write(driver.join("unbind"), address)?;
        }
        write(self.sys.join("bus/pci/drivers_probe"), address)
    }
}
