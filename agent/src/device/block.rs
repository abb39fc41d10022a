//! Block devices: by the PCI path of their controller, or by a name that is the same
//! in every guest.

use std::path::Path;

use super::{DevNode, DeviceError, Devices, PciPath, sysfs};

impl Devices {
    /// Waits for the block device at a PCI path, mostly of virtio-blk.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`].
    pub async fn block_by_pci(&self, path: &PciPath) -> Result<DevNode, DeviceError> {
        let look = || {
            let found = self.pci_now(path).and_then(|device| device.of_class("block"));
            Ok(found.and_then(|(folder, name)| sysfs::node(&folder, &self.dev, &name)))
        };
        let there = || self.pci_addresses().into_iter().chain(self.block_names()).collect();
        self.wait(|| format!("block device at the PCI path {path}"), look, there).await
    }

    /// Waits for a block device by its name or its node, such as `vda` and
    /// `/dev/vda`: for virtio over MMIO, whose names the host foresees.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`], and [`DeviceError::Invalid`] for what is no name.
    pub async fn block_by_name(&self, name: &str) -> Result<DevNode, DeviceError> {
        let name = plain_name(name)?;
        let folder = self.sys.join("class/block").join(name);
        let look = || Ok(sysfs::node(&folder, &self.dev, name));
        self.wait(|| format!("block device {name}"), look, || self.block_names()).await
    }

    /// Waits for persistent memory by its name or its node, such as `/dev/pmem1`.
    ///
    /// # Errors
    ///
    /// As [`Devices::block_by_name`].
    pub async fn pmem(&self, name: &str) -> Result<DevNode, DeviceError> {
        let number = plain_name(name)?.strip_prefix("pmem").unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(DeviceError::Invalid(format!("{name:?} names no persistent memory")));
        }
        self.block_by_name(name).await
    }

    pub(super) fn block_names(&self) -> Vec<String> {
        sysfs::names(&self.sys.join("class/block"))
    }
}

/// A name without its folder. Nothing else than /dev is one.
fn plain_name(text: &str) -> Result<&str, DeviceError> {
    let name = text.strip_prefix("/dev/").unwrap_or(text);
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    if !plain || name.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(DeviceError::Invalid(format!("{text:?} names no block device")));
    }
    Ok(name)
}
