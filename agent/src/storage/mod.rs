//! Storages: what containers find below their mounts, made available by a driver
//! each, counted, and undone when nobody uses them any more.
//!
//! Drivers ask the operating system by way of [`Os`] and devices by way of
//! [`Devices`]; they know nothing of RPCs but the storage's description.

mod bind;
mod block;
mod ephemeral;
mod hugetlbfs;
mod local;
mod overlayfs;
mod place;
mod table;
#[cfg(test)]
mod tests;
mod virtio_fs;
mod watchable;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kata_agent_api::agent::Storage;

pub use table::Storages;

use crate::device::{DeviceError, Devices};
use crate::os::Os;
use crate::reaper::Reaper;
use crate::sandbox::Paths;

/// Storage drivers that work, in alphabetical order.
pub const DRIVERS: [&str; 10] = [
    "bind",
    "blk",
    "ephemeral",
    "local",
    "mmioblk",
    "nvdimm",
    "overlayfs",
    "scsi",
    "virtio-fs",
    "watchable-bind",
];

/// Drivers of upstream's that can't exist here, with the reason.
const ABSENT: [(&str, &str); 3] = [
    ("blk-ccw", "channel devices are of s390x, and this guest is none"),
    ("image_guest_pull", "pulling images in a guest needs the confidential data hub"),
    ("erofs.multi-layer", "layers are put together with the driver overlayfs here"),
];

/// Why a storage is not there.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The driver is known elsewhere, or nowhere.
    #[error("storage driver {driver:?} is not implemented: {why}")]
    Driver {
        /// As asked for.
        driver: String,
        /// Why not.
        why: String,
    },
    /// A filesystem that the driver does not make.
    #[error("{driver} storage of type {fstype:?} is not implemented; there is {offered}")]
    Type {
        /// The driver.
        driver: &'static str,
        /// As asked for.
        fstype: String,
        /// What it does make.
        offered: &'static str,
    },
    /// The mount point is not a plain absolute path.
    #[error("the mount point {0:?} is not a plain absolute path")]
    MountPoint(String),
    /// The source is none that the driver knows.
    #[error("the source {source_text:?} of a {driver} storage makes no sense: {why}")]
    Source {
        /// The driver.
        driver: String,
        /// As asked for.
        source_text: String,
        /// What is wrong.
        why: String,
    },
    /// An option that can't be read, or carried out.
    #[error("the storage option {option:?} is not valid: {why}")]
    Option {
        /// As asked for.
        option: String,
        /// What is wrong.
        why: String,
    },
    /// The device did not appear.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The operating system refused.
    #[error("can't prepare the storage on {target}: {source}")]
    Refused {
        /// Where.
        target: String,
        /// Why.
        source: io::Error,
    },
}

impl StorageError {
    /// The operating system refused something at `target`.
    fn refused(target: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let target = target.into();
        move |source| Self::Refused { target, source }
    }

    fn option(option: &str, why: impl Into<String>) -> Self {
        Self::Option { option: option.to_owned(), why: why.into() }
    }
}

/// What drivers work with.
#[derive(Clone)]
pub struct Tools {
    /// The operating system.
    pub os: Arc<dyn Os>,
    /// Devices that the host plugs in.
    pub devices: Arc<Devices>,
    /// Starts programs, such as mkfs.
    pub reaper: Arc<Reaper>,
    /// Folders to work in.
    pub paths: Paths,
}

/// A storage that was made, and what it takes to undo it.
#[derive(Debug, Default)]
struct Made {
    /// Whether something is mounted on the mount point.
    mounted: bool,
    /// Whether the mount point is a folder that goes afterwards if nothing is in it.
    own_folder: bool,
    /// Folders to remove afterwards, with all that is in them.
    folders: Vec<PathBuf>,
    /// Whoever keeps the storage up to date; ends with it.
    watcher: Option<watchable::Watcher>,
}

impl Tools {
    /// Makes a storage. What was begun and failed is undone by the driver.
    async fn make(&self, storage: &Storage, container: Option<&str>) -> Result<Made, StorageError> {
        match storage.driver.as_str() {
            "bind" => bind::make(self, storage).await,
            "blk" | "mmioblk" | "nvdimm" | "scsi" => block::make(self, storage).await,
            "ephemeral" => ephemeral::make(self, storage).await,
            "local" => local::make(self, storage),
            "overlayfs" => overlayfs::make(self, storage, container).await,
            "virtio-fs" => virtio_fs::make(self, storage).await,
            "watchable-bind" => watchable::make(self, storage).await,
            other => {
                let absent = ABSENT.iter().find(|(driver, _)| *driver == other);
                let why = absent.map_or_else(
                    || format!("there are {}", DRIVERS.join(", ")),
                    |(_, why)| (*why).to_owned(),
                );
                Err(StorageError::Driver { driver: other.to_owned(), why })
            }
        }
    }
}
