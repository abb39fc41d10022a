//! `ResizeVolume`: grows a mounted ext4 filesystem after its disk has grown. The
//! kernel does it while the filesystem is in use, so nobody is disturbed.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kata_agent_api::agent::ResizeVolumeRequest;
use nix::sys::stat::{major, minor};
use protobuf::well_known_types::empty::Empty;

use super::{Fault, in_background, path};
use crate::os::Os;
use crate::procfs;
use crate::report::read;
use crate::server::Agent;

const FSTYPE: &str = "ext4";

pub(super) async fn call(agent: &Agent, request: ResizeVolumeRequest) -> Result<Empty, Fault> {
    let volume = path::plain("volume_guest_path", &request.volume_guest_path)?.to_owned();
    let (os, sys) = (Arc::clone(&agent.os), agent.devices.sys().to_owned());
    let work = move || {
        let disk = disk_of(&volume, &read("/proc/self/mountinfo"), &sys)?;
        grow(os.as_ref(), &volume, &disk, request.size)
    };
    in_background("grow the volume", work).await??;
    Ok(Empty::new())
}

/// What a filesystem is on.
struct Disk {
    node: PathBuf,
    /// Bytes.
    size: u64,
}

/// The disk that is mounted at `volume`, if its filesystem can grow at all.
fn disk_of(volume: &Path, mountinfo: &str, sys: &Path) -> Result<Disk, Fault> {
    let shown = volume.display();
    let folder = fs::metadata(volume)
        .map_err(|error| Fault::NotFound(format!("there is no volume at {shown}: {error}")))?;
    let mounts = procfs::mounts(mountinfo);
    let mount = mounts.iter().rev().find(|mount| Path::new(&mount.target) == volume);
    let Some(mount) = mount else {
        return Err(Fault::FailedPrecondition(format!("nothing is mounted at {shown}")));
    };
    if mount.fstype != FSTYPE {
        return Err(Fault::FailedPrecondition(format!(
            "the volume at {shown} is {}, and only {FSTYPE} can grow while it is mounted",
            mount.fstype
        )));
    }
    let number = format!("{}:{}", major(folder.dev()), minor(folder.dev()));
    let device = sys.join("dev/block").join(&number);
    let unknown = || {
        Fault::FailedPrecondition(format!("the volume at {shown} is on no disk that can be seen"))
    };
    // Sectors of 512 bytes, whatever those of the disk are.
    let sectors: u64 = read(device.join("size")).trim().parse().map_err(|_| unknown())?;
    let about = read(device.join("uevent"));
    let name = about.lines().find_map(|line| line.strip_prefix("DEVNAME=")).ok_or_else(unknown)?;
    Ok(Disk { node: Path::new("/dev").join(name), size: sectors.saturating_mul(512) })
}

/// Grows the filesystem at `volume` to `size` bytes, 0 being all of its disk. One
/// that is as large already stays as it is.
fn grow(os: &dyn Os, volume: &Path, disk: &Disk, size: u64) -> Result<(), Fault> {
    let shown = volume.display();
    let now = Superblock::read(&disk.node)
        .map_err(Fault::internal(format!("can't read {}", disk.node.display())))?
        .ok_or_else(|| {
            Fault::FailedPrecondition(format!("there is no {FSTYPE} on {}", disk.node.display()))
        })?;
    if size > disk.size {
        return Err(Fault::FailedPrecondition(format!(
            "the volume at {shown} can't have {size} bytes: its disk has {}",
            disk.size
        )));
    }
    let size = if size == 0 { disk.size } else { size };
    let blocks = size / now.block_size;
    if blocks <= now.blocks {
        log::info!("the volume at {shown} has {} blocks already", now.blocks);
        return Ok(());
    }
    os.grow_ext4(volume, blocks)
        .map_err(Fault::internal(format!("can't grow the volume at {shown} to {size} bytes")))
}

/// What an ext4 filesystem says of its size.
#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    block_size: u64,
    blocks: u64,
}

impl Superblock {
    /// None where there is another filesystem.
    fn read(node: &Path) -> std::io::Result<Option<Self>> {
        let mut bytes = [0; 1024];
        let file = File::open(node)?;
        file.read_exact_at(&mut bytes, 1024)?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8; 1024]) -> Option<Self> {
        let number =
            |at: usize| Some(u64::from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
        if bytes.get(56..58)? != [0x53, 0xEF] {
            return None;
        }
        let shift = number(24)?.checked_add(10).filter(|shift| (10..=16).contains(shift))?;
        // The upper half counts with the feature 64bit alone.
        let upper = if number(96)? & 0x80 == 0 { 0 } else { number(336)? };
        Some(Self { block_size: 1 << shift, blocks: upper << 32 | number(4)? })
    }
}

#[cfg(test)]
mod tests;
