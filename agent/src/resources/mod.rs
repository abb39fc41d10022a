//! Processors and memory that the host adds to the guest, and which of them are in
//! use. Knows sysfs, no message of the API and no container.

mod online;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::device::Devices;
use crate::os::Os;

use online::Count;

/// Between two looks when the kernel says nothing.
const POLL: Duration = Duration::from_millis(50);

/// Why a resource is not there.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// The processors did not come.
    #[error(
        "{came} of {wanted} new processors came online within {} ms; online are {online}, \
         offline {offline}", .waited.as_millis()
    )]
    Processors {
        /// How many were asked for.
        wanted: usize,
        /// How many came.
        came: usize,
        /// How many there are in all.
        online: usize,
        /// How many could not be switched on.
        offline: usize,
        /// How long they were waited for.
        waited: Duration,
    },
    /// The kernel does not take the memory.
    #[error("{what}: {source}")]
    Refused {
        /// What could not be done.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// The processors and the memory of the guest.
#[derive(Debug)]
pub struct Resources {
    sys: PathBuf,
    /// Processors that were there before the next request for more.
    counted: AtomicUsize,
    processors: watch::Sender<Vec<u32>>,
}

impl Resources {
    /// Takes note of the processors that the guest has at its start. `sys` is where
    /// sysfs is.
    #[must_use]
    pub fn new(sys: &Path) -> Self {
        let online = online::processors(sys);
        let counted = AtomicUsize::new(online.len());
        Self { sys: sys.join("devices/system"), counted, processors: watch::Sender::new(online) }
    }

    /// The numbers of the processors that are online, now and after every request
    /// for more: whoever limits something to processors learns here what to widen.
    #[must_use]
    pub fn processors(&self) -> watch::Receiver<Vec<u32>> {
        self.processors.subscribe()
    }

    /// Switches on `wanted` processors more than there were, as soon as they appear,
    /// for `devices`' patience. Those that the kernel has switched on by itself count.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Processors`].
    pub async fn add_processors(
        self: &Arc<Self>,
        os: &Arc<dyn Os>,
        devices: &Devices,
        wanted: usize,
    ) -> Result<(), ResourceError> {
        let mut changes = devices.changes();
        let until = Instant::now() + devices.patience();
        let mut switched = 0;
        loop {
            changes.mark_unchanged();
            let now = self.switch_processors(os, wanted.saturating_sub(switched)).await?;
            switched += now.switched;
            let came =
                switched.max(now.online.saturating_sub(self.counted.load(Ordering::Relaxed)));
            let over = Instant::now() >= until;
            // Taken away and added again in between, they are no more than before.
            if came >= wanted || over && now.offline == 0 && now.online > wanted {
                self.counted.store(now.online, Ordering::Relaxed);
                return Ok(());
            }
            if over {
                let (online, offline, waited) = (now.online, now.offline, devices.patience());
                return Err(ResourceError::Processors { wanted, came, online, offline, waited });
            }
            let _ = timeout_at(until.min(Instant::now() + POLL), changes.changed()).await;
        }
    }

    async fn switch_processors(
        self: &Arc<Self>,
        os: &Arc<dyn Os>,
        most: usize,
    ) -> Result<Count, ResourceError> {
        let (os, this) = (Arc::clone(os), Arc::clone(self));
        let work = move || {
            let count = online::switch_on(os.as_ref(), &this.sys.join("cpu"), "cpu", most);
            this.processors.send_replace(online::processors_in(&this.sys.join("cpu")));
            count
        };
        let what = "can't switch processors on";
        let refused = |source| ResourceError::Refused { what: what.to_owned(), source };
        let count = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
        let count = count.map_err(refused)?;
        if let Some(failure) = &count.failure {
            log::warn!("{what}: {failure}");
        }
        Ok(count)
    }

    /// Switches on all memory that is off. May take its time.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Refused`] with the first failure, after all of it was tried.
    pub fn add_memory(&self, os: &dyn Os) -> Result<(), ResourceError> {
        let count = online::switch_on(os, &self.sys.join("memory"), "memory", usize::MAX);
        match count.failure {
            None => Ok(()),
            Some(source) => {
                let what = format!("can't switch {} blocks of memory on", count.offline);
                Err(ResourceError::Refused { what, source })
            }
        }
    }

    /// Tells the kernel of memory at an address, for machines that can't say so
    /// themselves. None where the kernel has no such file.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Refused`].
    pub fn probe_memory(&self, os: &dyn Os, address: u64) -> Result<(), ResourceError> {
        let what = format!("can't add the memory at {address:#x}");
        os.write(&self.memory_probe(), format!("{address:#x}").as_bytes())
            .map_err(|source| ResourceError::Refused { what, source })
    }

    /// The file that takes addresses of new memory.
    #[must_use]
    pub fn memory_probe(&self) -> PathBuf {
        self.sys.join("memory/probe")
    }
}

#[cfg(test)]
mod tests;
