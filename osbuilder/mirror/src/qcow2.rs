//! A reader of qcow2 disk images, versions 2 and 3, held in memory.
//!
//! Reads what a finished, single-file image can contain: plain, zero, absent and
//! compressed (deflate, zstd) clusters. Backing files, encryption, external data
//! files and extended L2 entries are refused. It does not know what is on the
//! disk. All arithmetic on the image's numbers is checked.

use std::error::Error;
use std::io::Read;

use ext4_view::Ext4Read;
use flate2::read::DeflateDecoder;

use crate::error::MirrorError;

const MAGIC: &[u8] = b"QFI\xfb";
/// Larger virtual disks are refused; tables grow with them.
const MAX_DISK: u64 = 64 << 30;
/// Bits 9 to 55 of a table entry: an offset in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const READS_AS_ZERO: u64 = 1;
const SECTOR: u64 = 512;
/// Incompatible features that change nothing for a reader: dirty, compression type.
const HARMLESS: u64 = 0b1001;
/// Unpacked clusters that are kept.
const CACHED: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Deflate,
    Zstd,
}

/// An opened image.
pub(crate) struct Qcow2 {
    file: Vec<u8>,
    disk_size: u64,
    cluster_bits: u32,
    compression: Compression,
    /// Offsets of L2 tables, zero where a table is absent.
    l1: Vec<u64>,
    /// Unpacked clusters, each at the place its number falls on.
    cache: Vec<Option<(u64, Vec<u8>)>>,
}

fn broken(reason: impl Into<String>) -> MirrorError {
    MirrorError::Qcow2(reason.into())
}

impl Qcow2 {
    /// Reads header and L1 table.
    pub(crate) fn open(file: Vec<u8>) -> Result<Self, MirrorError> {
        if !file.starts_with(MAGIC) {
            return Err(broken("it is no qcow2 image"));
        }
        let version = u32_at(&file, 4)?;
        if !matches!(version, 2 | 3) {
            return Err(broken(format!("qcow2 version {version} is not known")));
        }
        if u64_at(&file, 8)? != 0 {
            return Err(broken("it builds on another image (backing file)"));
        }
        let cluster_bits = u32_at(&file, 20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(broken(format!("clusters of 2^{cluster_bits} bytes are not allowed")));
        }
        let disk_size = u64_at(&file, 24)?;
        if disk_size > MAX_DISK {
            return Err(broken(format!("its disk of {disk_size} bytes is too large")));
        }
        if u32_at(&file, 32)? != 0 {
            return Err(broken("it is encrypted"));
        }
        let compression = if version == 2 { Compression::Deflate } else { features(&file)? };
        let l1_size = u64::from(u32_at(&file, 36)?);
        let l1_offset = u64_at(&file, 40)?;
        // One L1 entry covers a cluster full of L2 entries of eight bytes.
        let needed = disk_size.div_ceil(1 << (2 * cluster_bits - 3));
        if l1_size < needed {
            return Err(broken("its L1 table is too short for its disk"));
        }
        let mut l1 = Vec::new();
        for i in 0..needed {
            let at = l1_offset.checked_add(i * 8).ok_or_else(|| broken("an offset overflows"))?;
            l1.push(u64_at(&file, at)? & OFFSET_MASK);
        }
        let cache = (0..CACHED).map(|_| None).collect();
        Ok(Self { file, disk_size, cluster_bits, compression, l1, cache })
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The L2 entry of a cluster, zero where there is none.
    fn entry(&self, cluster: u64) -> Result<u64, MirrorError> {
        let per_table = self.cluster_size() / 8;
        let index = usize::try_from(cluster / per_table).map_err(|_| broken("beyond the disk"))?;
        match self.l1.get(index) {
            None => Err(broken("a read beyond the disk")),
            Some(0) => Ok(0),
            Some(table) => u64_at(&self.file, table + (cluster % per_table) * 8),
        }
    }

    /// Copies part of one cluster, from `within` on.
    fn copy(&mut self, cluster: u64, within: u64, target: &mut [u8]) -> Result<(), MirrorError> {
        let entry = self.entry(cluster)?;
        if entry & COMPRESSED != 0 {
            let content = self.unpacked(cluster, entry)?;
            let start = usize::try_from(within).map_err(|_| broken("an offset overflows"))?;
            let part = content.get(start..).and_then(|rest| rest.get(..target.len()));
            target.copy_from_slice(part.ok_or_else(|| broken("a cluster is too short"))?);
            return Ok(());
        }
        let host = entry & OFFSET_MASK;
        if host == 0 || entry & READS_AS_ZERO != 0 {
            target.fill(0);
            return Ok(());
        }
        let length = u64::try_from(target.len()).map_err(|_| broken("a length overflows"))?;
        let start = host.checked_add(within).ok_or_else(|| broken("an offset overflows"))?;
        target.copy_from_slice(slice(&self.file, start, length)?);
        Ok(())
    }

    /// The content of a compressed cluster.
    fn unpacked(&mut self, cluster: u64, entry: u64) -> Result<&[u8], MirrorError> {
        let slots = u64::try_from(CACHED).map_err(|_| broken("a length overflows"))?;
        let place = usize::try_from(cluster % slots).map_err(|_| broken("a length overflows"))?;
        let known = self.cache[place].as_ref().is_some_and(|(number, _)| *number == cluster);
        if !known {
            let content = self.unpack(entry)?;
            self.cache[place] = Some((cluster, content));
        }
        match &self.cache[place] {
            Some((_, content)) => Ok(content),
            None => Err(broken("a cluster was lost")),
        }
    }

    fn unpack(&self, entry: u64) -> Result<Vec<u8>, MirrorError> {
        // The entry holds an exact offset and, above it, how many sectors
        // beyond the first the compressed bytes touch.
        let offset_bits = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << offset_bits) - 1);
        let more_sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
        let length = (more_sectors + 1) * SECTOR - offset % SECTOR;
        let end = u64::try_from(self.file.len()).unwrap_or(u64::MAX);
        let length = length.min(end.saturating_sub(offset));
        let packed = slice(&self.file, offset, length)?;
        let size = self.cluster_size();
        let mut content = Vec::new();
        // What stands behind the compressed bytes in their last sector is not
        // theirs, so reading stops at the size of a cluster.
        match self.compression {
            Compression::Deflate => {
                DeflateDecoder::new(packed).take(size).read_to_end(&mut content)
            }
            Compression::Zstd => zstd::stream::read::Decoder::with_buffer(packed)
                .and_then(|decoder| decoder.single_frame().take(size).read_to_end(&mut content)),
        }
        .map_err(|error| broken(format!("a compressed cluster is damaged: {error}")))?;
        if u64::try_from(content.len()).ok() != Some(size) {
            return Err(broken("a compressed cluster is too short"));
        }
        Ok(content)
    }

    /// Fills `target` with the disk's bytes from `start` on.
    pub(crate) fn read_at(&mut self, start: u64, target: &mut [u8]) -> Result<(), MirrorError> {
        let length = u64::try_from(target.len()).map_err(|_| broken("a length overflows"))?;
        if start.checked_add(length).is_none_or(|end| end > self.disk_size) {
            return Err(broken("a read beyond the disk"));
        }
        let (mut position, mut rest) = (start, target);
        while !rest.is_empty() {
            let within = position % self.cluster_size();
            let room = usize::try_from(self.cluster_size() - within).unwrap_or(usize::MAX);
            let (part, tail) = rest.split_at_mut(room.min(rest.len()));
            self.copy(position / self.cluster_size(), within, part)?;
            position += u64::try_from(part.len()).map_err(|_| broken("a length overflows"))?;
            rest = tail;
        }
        Ok(())
    }
}

/// Checks the features of a version 3 header; returns how clusters are compressed.
fn features(file: &[u8]) -> Result<Compression, MirrorError> {
    let incompatible = u64_at(file, 72)?;
    if incompatible & !HARMLESS != 0 {
        return Err(broken(format!("it uses features that are not supported ({incompatible:#x})")));
    }
    // The byte is there only in headers that are longer than the first version 3.
    let kind = if u32_at(file, 100)? > 104 { slice(file, 104, 1)?[0] } else { 0 };
    match kind {
        0 => Ok(Compression::Deflate),
        1 => Ok(Compression::Zstd),
        other => Err(broken(format!("compression type {other} is not known"))),
    }
}

fn slice(file: &[u8], start: u64, length: u64) -> Result<&[u8], MirrorError> {
    let start = usize::try_from(start).ok();
    let length = usize::try_from(length).ok();
    start
        .zip(length)
        .and_then(|(start, length)| file.get(start..start.checked_add(length)?))
        .ok_or_else(|| broken("it is cut off, or points outside itself"))
}

fn u32_at(file: &[u8], at: u64) -> Result<u32, MirrorError> {
    let bytes = slice(file, at, 4)?.try_into().map_err(|_| broken("a length overflows"))?;
    Ok(u32::from_be_bytes(bytes))
}

fn u64_at(file: &[u8], at: u64) -> Result<u64, MirrorError> {
    let bytes = slice(file, at, 8)?.try_into().map_err(|_| broken("a length overflows"))?;
    Ok(u64::from_be_bytes(bytes))
}

impl Ext4Read for Qcow2 {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        self.read_at(start_byte, dst).map_err(Into::into)
    }
}

#[cfg(test)]
#[path = "qcow2_tests.rs"]
mod tests;
