//! PCI paths: the slots that lead from a root bus to a device, over bridges. That is
//! all a host knows of a device; the numbers of the buses behind the bridges are the
//! guest's business, and sysfs has them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{DeviceError, Devices, sysfs};

/// Bridges may not stand behind one another without end.
const DEEPEST: usize = 16;

/// The first number that is no slot: there a path begins with a root bus instead.
const FIRST_ROOT: u8 = 0x20;

/// A slot of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    device: u8,
    function: u8,
}

/// A path such as `02/01`: hexadecimal slots, each with `.FUNCTION` where that is
/// not 0. A first number of 20 or more is a root bus other than the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciPath {
    root: u8,
    slots: Vec<Slot>,
}

impl PciPath {
    /// A path of slots, each a number below 32.
    ///
    /// # Errors
    ///
    /// One clause, where there is no such path.
    pub fn of_slots(slots: &[u32]) -> Result<Self, String> {
        let words: Vec<String> = slots.iter().map(|slot| format!("{slot:02x}")).collect();
        words.join("/").parse()
    }

    /// The device's folder, where it is plugged in. `sys` is where sysfs is.
    fn find(&self, sys: &Path) -> Option<PciDevice> {
        let (mut folder, mut bus) = self.root_bus(&sys.join("devices"))?;
        let mut address = String::new();
        for (depth, slot) in self.slots.iter().enumerate() {
            if depth > 0 {
                // A bridge has one bus behind it.
                bus = sysfs::names(&folder.join("pci_bus")).into_iter().next()?;
            }
            address = format!("{bus}:{:02x}.{}", slot.device, slot.function);
            folder = folder.join(&address);
            if !folder.is_dir() {
                return None;
            }
        }
        Some(PciDevice { address, sysfs: folder })
    }

    /// The root bus with its number; ARM has it below a platform device.
    fn root_bus(&self, devices: &Path) -> Option<(PathBuf, String)> {
        let platform = devices.join("platform");
        let others = sysfs::names(&platform).into_iter().map(|name| platform.join(name));
        let end = format!(":{:02x}", self.root);
        std::iter::once(devices.to_owned()).chain(others).find_map(|folder| {
            let name = sysfs::names(&folder)
                .into_iter()
                .find(|name| name.starts_with("pci") && name.ends_with(&end))?;
            let bus = name.strip_prefix("pci")?.to_owned();
            Some((folder.join(&name), bus))
        })
    }
}

impl FromStr for PciPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = |problem: &str| format!("{text:?} is no PCI path: {problem}");
        let mut words: Vec<&str> = text.split('/').collect();
        let mut root = 0;
        if let Some(first) = words.first().and_then(|word| hex(word))
            && first >= FIRST_ROOT
            && words.len() > 1
        {
            root = first;
            words.remove(0);
        }
        if words.len() > DEEPEST {
            return Err(invalid(&format!("it has more than {DEEPEST} slots")));
        }
        let slots = words.iter().map(|word| {
            let (device, function) = word.split_once('.').unwrap_or((word, "0"));
            let device = hex(device).filter(|device| *device < FIRST_ROOT);
            let function = hex(function).filter(|number| *number < 8 && function.len() == 1);
            let (Some(device), Some(function)) = (device, function) else {
                return Err(invalid(&format!("{word:?} is no slot, 00 to 1f")));
            };
            Ok(Slot { device, function })
        });
        Ok(Self { root, slots: slots.collect::<Result<_, _>>()? })
    }
}

/// One or two hexadecimal digits, and no sign, which the library takes too.
fn hex(text: &str) -> Option<u8> {
    let plain = text.len() <= 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for PciPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.root > 0 {
            write!(f, "{:02x}/", self.root)?;
        }
        for (index, slot) in self.slots.iter().enumerate() {
            let slash = if index > 0 { "/" } else { "" };
            write!(f, "{slash}{:02x}", slot.device)?;
            if slot.function > 0 {
                write!(f, ".{}", slot.function)?;
            }
        }
        Ok(())
    }
}

/// A device on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciDevice {
    /// Its address in the guest, such as `0000:01:01.0`.
    pub address: String,
    /// Its folder in sysfs.
    pub sysfs: PathBuf,
}

impl PciDevice {
    /// The first device of a class, such as `block`, that belongs to this one, also
    /// by way of virtio: its folder and its name.
    pub(super) fn of_class(&self, class: &str) -> Option<(PathBuf, String)> {
        let virtio = sysfs::names(&self.sysfs).into_iter();
        let virtio = virtio.filter(|name| name.starts_with("virtio"));
        let folders = virtio.map(|name| self.sysfs.join(name).join(class));
        std::iter::once(self.sysfs.join(class)).chain(folders).find_map(|folder| {
            let name = sysfs::names(&folder).into_iter().next()?;
            Some((folder.join(&name), name))
        })
    }
}

impl Devices {
    /// Waits for a device of any sort at a PCI path.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Missing`].
    pub async fn pci(&self, path: &PciPath) -> Result<PciDevice, DeviceError> {
        let what = || format!("device at the PCI path {path}");
        self.wait(what, || Ok(path.find(&self.sys)), || self.pci_addresses()).await
    }

    /// As [`Devices::pci`], at once or not at all.
    pub(super) fn pci_now(&self, path: &PciPath) -> Option<PciDevice> {
        path.find(&self.sys)
    }

    pub(super) fn pci_addresses(&self) -> Vec<String> {
        sysfs::names(&self.sys.join("bus/pci/devices"))
    }
}
