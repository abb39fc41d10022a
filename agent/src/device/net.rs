//! Network devices, by the PCI path of their controller.

use super::{DeviceError, Devices, PciPath, sysfs};

impl Devices {
    /// Waits for the network device at a PCI path, of virtio or of hardware that is
    /// passed through. Returns the name it has at the moment.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`].
    pub async fn network_by_pci(&self, path: &PciPath) -> Result<String, DeviceError> {
        let look = || {
            let found = self.pci_now(path).and_then(|device| device.of_class("net"));
            Ok(found.map(|(_, name)| name))
        };
        let links = || sysfs::names(&self.sys.join("class/net"));
        let there = || self.pci_addresses().into_iter().chain(links()).collect();
        self.wait(|| format!("network device at the PCI path {path}"), look, there).await
    }
}
