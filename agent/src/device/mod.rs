//! Devices that the host plugs in: where they are, and waiting until they are there.
//! What the kernel shows in sysfs is the only truth; its messages merely say when to
//! look again, so one that got lost costs a moment and no device. Opens nothing but
//! to see whether it can be opened, and mounts nothing.

mod block;
mod net;
mod pci;
mod scsi;
pub(crate) mod sysfs;
mod vfio;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub use pci::{PciDevice, PciPath};
pub use scsi::ScsiAddress;
pub use vfio::VfioGroup;

use crate::os::Os;

/// Between two looks when the kernel says nothing.
const POLL: Duration = Duration::from_millis(100);

/// More names than this do not help anybody who reads an error.
const MOST_NAMES: usize = 32;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It did not appear in time.
    #[error("no {what} appeared within {} ms; there {}", .waited.as_millis(), list(.there))]
    Missing {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// Names of the same sort that are there.
        there: Vec<String>,
    },
    /// The name can't be one of a device.
    #[error("{0}")]
    Invalid(String),
    /// More than one fits.
    #[error("{what} fits more than one device: {}", .found.join(" and "))]
    Ambiguous {
        /// What was looked for.
        what: String,
        /// What was found.
        found: Vec<String>,
    },
    /// The kernel refused.
    #[error("{what}: {source}")]
    Refused {
        /// What could not be done.
        what: String,
        /// Why.
        source: io::Error,
    },
}

fn list(names: &[String]) -> String {
    match names {
        [] => "is none at all".to_owned(),
        names => format!("are {}", names.join(", ")),
    }
}

/// A device with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevNode {
    /// Name of the kernel, such as `vda`.
    pub name: String,
    /// The node, such as `/dev/vda`.
    pub path: PathBuf,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Its folder in sysfs.
    pub sysfs: PathBuf,
}

/// The devices of the guest.
pub struct Devices {
    os: Arc<dyn Os>,
    sys: PathBuf,
    dev: PathBuf,
    patience: Duration,
    changes: watch::Sender<u64>,
}

impl Devices {
    /// The devices of this machine, each of which may take `patience` to appear.
    #[must_use]
    pub fn new(os: Arc<dyn Os>, patience: Duration) -> Self {
        Self::at(os, Path::new("/sys"), Path::new("/dev"), patience)
    }

    /// As [`Devices::new`], with other folders for sysfs and the nodes.
    #[must_use]
    pub fn at(os: Arc<dyn Os>, sys: &Path, dev: &Path, patience: Duration) -> Self {
        let changes = watch::Sender::new(0);
        Self { os, sys: sys.to_owned(), dev: dev.to_owned(), patience, changes }
    }

    /// Folder of sysfs.
    #[must_use]
    pub fn sys(&self) -> &Path {
        &self.sys
    }

    /// How long a device may take to appear.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Changes whenever somebody should look again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Has everybody look again who waits for a device.
    pub fn look_again(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits until `look` finds something. `there` lists what is there instead, for
    /// the error.
    async fn wait<T>(
        &self,
        what: impl FnOnce() -> String,
        look: impl Fn() -> Result<Option<T>, DeviceError>,
        there: impl FnOnce() -> Vec<String>,
    ) -> Result<T, DeviceError> {
        // Before the first look, so that nothing falls between it and the waiting.
        let mut changes = self.changes();
        let until = Instant::now() + self.patience;
        loop {
            changes.mark_unchanged();
            if let Some(found) = look()? {
                return Ok(found);
            }
            let now = Instant::now();
            if now >= until {
                let mut there = there();
                there.truncate(MOST_NAMES);
                return Err(DeviceError::Missing { what: what(), waited: self.patience, there });
            }
            // The end of the time, a change, and nobody who tells of one are the same
            // here: a reason to look.
            let _ = timeout_at(until.min(now + POLL), changes.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests;
