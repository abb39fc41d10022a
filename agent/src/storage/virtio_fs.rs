//! `virtio-fs`: folders of the host, by the tag of the device.

use kata_agent_api::agent::Storage;

use super::place::Placed;
use super::{Made, StorageError, Tools};

pub(super) async fn make(tools: &Tools, storage: &Storage) -> Result<Made, StorageError> {
    let fstype = match storage.fstype.as_str() {
        "" | "virtiofs" => "virtiofs".to_owned(),
        other => {
            return Err(StorageError::Type {
                driver: "virtio-fs",
                fstype: other.to_owned(),
                offered: "virtiofs",
            });
        }
    };
    let (source, options) = (storage.source.clone(), storage.options.clone());
    tools.place(storage, Placed { source, fstype, options }).await?;
    Ok(Made { mounted: true, ..Made::default() })
}
