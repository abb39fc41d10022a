//! Devices of a container, found in the guest by what the host says of them.

use std::collections::BTreeMap;
use std::path::Path;

use kata_agent_api::agent::Device;

use super::prepare::Given;
use crate::device::{DevNode, DeviceError, Devices, PciPath};

/// Kinds of devices that can be a container's, in alphabetical order.
pub const KINDS: [&str; 6] = ["blk", "mmioblk", "nvdimm", "scsi", "vfio-pci", "vfio-pci-gk"];

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Nodes for the spec.
    pub given: Vec<Given>,
    /// PCI addresses in the guest, by those on the host.
    pub addresses: BTreeMap<String, String>,
}

/// Finds all devices, each waited for.
///
/// # Errors
///
/// [`DeviceError`], which names the device.
pub async fn find(devices: &Devices, wanted: &[Device]) -> Result<Found, DeviceError> {
    let mut found = Found::default();
    for device in wanted {
        find_one(devices, device, &mut found).await?;
    }
    Ok(found)
}

async fn find_one(
    devices: &Devices,
    device: &Device,
    found: &mut Found,
) -> Result<(), DeviceError> {
    let node = match device.type_.as_str() {
        "blk" => devices.block_by_pci(&pci(device, &device.id)?).await?,
        "mmioblk" => devices.block_by_name(&device.vm_path).await?,
        "nvdimm" => devices.pmem(&device.vm_path).await?,
        "scsi" => {
            let address = device.id.parse().map_err(|why: String| invalid(device, &why))?;
            devices.scsi(address).await?
        }
        "vfio-pci" => return vfio(devices, device, found).await,
        // The guest's kernel drives it itself; only its address is the container's.
        "vfio-pci-gk" => {
            for (host, path) in pairs(device)? {
                let there = devices.pci(&path).await?;
                found.addresses.insert(host, there.address);
            }
            return Ok(());
        }
        other => {
            let why = format!("devices of type {other:?} are not known; there are {}", kinds());
            return Err(invalid(device, &why));
        }
    };
    found.given.push(given(device, node, None)?);
    Ok(())
}

fn kinds() -> String {
    KINDS.join(", ")
}

fn invalid(device: &Device, why: &str) -> DeviceError {
    DeviceError::Invalid(format!("the device {:?} makes no sense: {why}", device.id))
}

fn given(
    device: &Device,
    node: DevNode,
    moved_to: Option<std::path::PathBuf>,
) -> Result<Given, DeviceError> {
    if device.container_path.is_empty() {
        return Err(invalid(device, "it has no container_path"));
    }
    Ok(Given { at: device.container_path.clone().into(), moved_to, node })
}

fn pci(device: &Device, path: &str) -> Result<PciPath, DeviceError> {
    path.parse().map_err(|why: String| invalid(device, &why))
}

/// The options of a device that is passed through: `HOST_ADDRESS=PCI_PATH` each.
fn pairs(device: &Device) -> Result<Vec<(String, PciPath)>, DeviceError> {
    let pair = |option: &String| {
        let (host, path) = option
            .split_once('=')
            .ok_or_else(|| invalid(device, &format!("{option:?} is not ADDRESS=PATH")))?;
        Ok((host.to_owned(), pci(device, path)?))
    };
    device.options.iter().map(pair).collect()
}

/// Gives all of a group's devices to the container, which opens the group.
async fn vfio(devices: &Devices, device: &Device, found: &mut Found) -> Result<(), DeviceError> {
    let mut group = None;
    for (host, path) in pairs(device)? {
        let one = devices.vfio_group(&path).await?;
        if group.as_ref().is_some_and(|group: &DevNode| group.name != one.node.name) {
            return Err(invalid(device, "its parts are in different groups in the guest"));
        }
        found.addresses.insert(host, one.device.address);
        group = Some(one.node);
    }
    let node = group.ok_or_else(|| invalid(device, "it names no PCI device"))?;
    let place = Path::new("/dev/vfio").join(&node.name);
    found.given.push(given(device, node, Some(place))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::os::Recorder;

    fn device(kind: &str) -> Device {
        Device {
            id: "02/01".into(),
            type_: kind.into(),
            container_path: "/dev/x".into(),
            ..Device::default()
        }
    }

    async fn problem(device: &Device) -> String {
        let sys = tempfile::tempdir().unwrap();
        let os = Arc::new(Recorder::new());
        let devices = Devices::at(os, sys.path(), sys.path(), Duration::ZERO);
        find(&devices, std::slice::from_ref(device)).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_by_name() {
        let text = problem(&device("vfio-ap")).await;
        assert!(text.contains("vfio-ap") && text.contains("mmioblk, nvdimm"), "{text}");
        let bad = Device { id: "x".into(), ..device("scsi") };
        assert!(problem(&bad).await.contains("ID:LUN"));
        let bad = Device { options: vec!["0000:1a:00.0".into()], ..device("vfio-pci") };
        assert!(problem(&bad).await.contains("ADDRESS=PATH"));
        assert!(problem(&device("vfio-pci")).await.contains("names no PCI device"));
    }

    #[tokio::test]
    async fn what_does_not_come_is_named() {
        let text = problem(&device("blk")).await;
        assert!(text.contains("02/01"), "{text}");
    }
}
