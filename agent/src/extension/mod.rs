//! Extension images: read-only disks that bring the guest more files, each mounted
//! below /run/kata-extensions before the agent serves anybody. The disk says who it
//! is by its serial number, the kernel command line by which digest it is to be
//! checked. Does the same as process 1 and as a service, and costs a guest without
//! extensions the reading of one folder.

mod disk;
mod verity;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::os::{Mount, Os};

use disk::Disk;
use verity::Verity;
pub use verity::VerityTable;

/// Where extensions are mounted, each in a folder of its name.
pub const FOLDER: &str = "/run/kata-extensions";

/// How the serial number of an extension's disk begins; the name follows.
const SERIAL: &str = "extension-";

/// A serial number of virtio-blk has 20 bytes.
const LONGEST_NAME: usize = 10;

/// How long a disk that the command line names may take to appear.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the disks. Whatever is there at boot is found at once.
const POLL: Duration = Duration::from_millis(10);

/// Why an extension is refused, and the guest with it.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// The name would not fit a serial number or a path.
    #[error("{0:?} is no name of an extension: 1 to {LONGEST_NAME} letters, digits and dashes")]
    Name(String),
    /// The parameter can't be understood.
    #[error("kata.extension.{name}.verity_params: {problem}")]
    Parameter {
        /// Name of the extension.
        name: String,
        /// One clause.
        problem: String,
    },
    /// The command line names an extension that has no disk.
    #[error(
        "the extension {name} has no disk: none has the serial number {SERIAL}{name} after {} s",
        .patience.as_secs()
    )]
    Missing {
        /// Name of the extension.
        name: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// Two disks claim to be the same extension.
    #[error("the extension {name} has two disks, {first} and {second}")]
    Twice {
        /// Name of the extension.
        name: String,
        /// Device name of one.
        first: String,
        /// Device name of the other.
        second: String,
    },
    /// The disk is not as it should be.
    #[error("the extension {name} on {disk}: {problem}")]
    Disk {
        /// Name of the extension.
        name: String,
        /// Device name, such as `vdb`.
        disk: String,
        /// One clause.
        problem: String,
    },
    /// The kernel does not make the checked device.
    #[error("the extension {name} can't be checked; is CONFIG_DM_VERITY built into the kernel?")]
    Verity {
        /// Name of the extension.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel does not mount it.
    #[error(
        "the extension {name} can't be mounted from {}; is it what was measured, and is \
         CONFIG_EROFS_FS built into the kernel?", .device.display()
    )]
    Mount {
        /// Name of the extension.
        name: String,
        /// What was to be mounted.
        device: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Mounts every extension that has a disk or is named by the kernel command line.
/// One that is mounted already stays as it is. `sys` is where sysfs is.
///
/// # Errors
///
/// [`ExtensionError`] for the first one that is refused: a guest with less than
/// all it was given is none.
pub fn mount_all(
    os: &dyn Os,
    sys: &Path,
    cmdline: &str,
    patience: Duration,
) -> Result<(), ExtensionError> {
    let measured = verity::of_cmdline(cmdline)?;
    let wanted: Vec<&String> = measured.keys().collect();
    let disks = wait_for(sys, &wanted, patience)?;
    if disks.is_empty() {
        return Ok(());
    }
    let mounts = os.read(Path::new("/proc/self/mounts")).unwrap_or_default();
    for (name, disk) in &disks {
        let target = Path::new(FOLDER).join(name);
        let there = |line: &str| line.split(' ').nth(1).map(Path::new) == Some(&target);
        if mounts.lines().any(there) {
            continue;
        }
        mount_one(os, name, disk, measured.get(name), &target)?;
    }
    Ok(())
}

fn mount_one(
    os: &dyn Os,
    name: &str,
    disk: &Disk,
    measured: Option<&Verity>,
    target: &Path,
) -> Result<(), ExtensionError> {
    let refused = |problem: &str| ExtensionError::Disk {
        name: name.to_owned(),
        disk: disk.name.clone(),
        problem: problem.to_owned(),
    };
    let data = disk.data.as_ref().ok_or_else(|| refused("it has no first partition"))?;
    let device = match (&disk.hash, measured) {
        (None, None) => Path::new("/dev").join(&data.name),
        (Some(hash), Some(measured)) => {
            let table = measured.table(data, hash).map_err(|problem| refused(&problem))?;
            os.make_verity(&format!("{SERIAL}{name}"), &table)
                .map_err(|source| ExtensionError::Verity { name: name.to_owned(), source })?
        }
        (Some(_), None) => {
            return Err(refused(
                "it has a partition of digests, but the kernel command line has no \
                 verity_params for it",
            ));
        }
        (None, Some(_)) => {
            return Err(refused(
                "the kernel command line has verity_params for it, but it has no partition \
                 of digests",
            ));
        }
    };
    let failed =
        |source| ExtensionError::Mount { name: name.to_owned(), device: device.clone(), source };
    os.make_dir(target, 0o755).map_err(failed)?;
    let source = device.to_string_lossy();
    let options = "ro,nosuid,nodev";
    os.mount(&Mount { source: &source, target, fstype: "erofs", options }).map_err(failed)?;
    log::info!("the extension {name} is mounted from {source}");
    Ok(())
}

/// All disks of extensions, once those in `wanted` are among them.
fn wait_for(
    sys: &Path,
    wanted: &[&String],
    patience: Duration,
) -> Result<BTreeMap<String, Disk>, ExtensionError> {
    let until = Instant::now() + patience;
    loop {
        let disks = disk::find(sys)?;
        let Some(missing) = wanted.iter().find(|name| !disks.contains_key(**name)) else {
            return Ok(disks);
        };
        if Instant::now() >= until {
            return Err(ExtensionError::Missing { name: (*missing).clone(), patience });
        }
        std::thread::sleep(POLL);
    }
}

/// Names become parts of paths and of serial numbers.
fn check_name(name: &str) -> Result<(), ExtensionError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err(ExtensionError::Name(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
