//! The initrd writer: the tree as a cpio archive ("newc"), compressed.
//!
//! Order, inode numbers and times depend on nothing but the tree. The format
//! has no extended attributes; what is lost is reported, not hidden. It must
//! not know what the kernel will run out of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZero;
use std::thread::available_parallelism;

use flate2::{Compression as GzipLevel, GzBuilder};
use liblzma::stream::{Check, Stream};
use liblzma::write::XzEncoder;
use rootfs::{Inode, InodeId, Kind, Tree};
use zstd::zstd_safe::CParameter;

use crate::error::ImageError;
use crate::linux::type_bits;
use crate::lz4::Lz4Writer;

/// How the archive is compressed; the guest's kernel must know the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, level 1 to 9; no name and no time inside.
    Gzip(u32),
    /// zstd, level 1 to 19 (above, the window may be larger than a kernel
    /// takes). The bytes don't depend on the number of processors.
    Zstd(i32),
    /// xz with CRC-32, the only check every kernel knows; level 0 to 9.
    Xz(u32),
    /// lz4, in the legacy frame that kernels read.
    Lz4,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitrdOptions {
    /// Compression of the archive.
    pub compression: Compression,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitrdStats {
    /// Entries in the archive, the root included, the trailer not.
    pub entries: u32,
    /// Bytes of the archive before compression.
    pub archive_bytes: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Extended attributes the format can't hold, as `path: name`, sorted.
    pub dropped_xattrs: Vec<String>,
}

/// Bytes of a job of zstd.
const JOB: u32 = 2 << 20;
/// Each worker holds tables of up to 90 MB.
const MOST_WORKERS: u32 = 2;

/// Bytes a file in the archive can have: its size is eight hex digits.
const MAX_FILE: u64 = u32::MAX as u64;

/// Writes the tree as an initrd. Times before 1970 or after 2106 become the
/// nearest the format can hold.
///
/// # Errors
///
/// A file over 4 GiB, a compression level out of range, a failing output.
pub fn write_initrd(
    tree: &Tree,
    options: &InitrdOptions,
    out: &mut dyn Write,
) -> Result<InitrdStats, ImageError> {
    let mut out = Counter { inner: out, bytes: 0 };
    let mut stats = match options.compression {
        Compression::None => archive(tree, &mut out)?,
        Compression::Gzip(level @ 1..=9) => {
            // 255: "unknown system", the same wherever it is built.
            let builder = GzBuilder::new().mtime(0).operating_system(255);
            let mut encoder = builder.write(&mut out, GzipLevel::new(level));
            let stats = archive(tree, &mut encoder)?;
            encoder.finish()?;
            stats
        }
        Compression::Zstd(level @ 1..=19) => {
            let mut encoder = zstd::stream::write::Encoder::new(&mut out, level)?;
            encoder.include_checksum(true)?;
            let processors = available_parallelism().map_or(1, NonZero::get);
            in_jobs(&mut encoder, u32::try_from(processors).unwrap_or(1).min(MOST_WORKERS))?;
            encoder.set_pledged_src_size(Some(archive(tree, &mut io::sink())?.archive_bytes))?;
            let stats = archive(tree, &mut encoder)?;
            encoder.finish()?;
            stats
        }
        Compression::Xz(level @ 0..=9) => {
            let stream = Stream::new_easy_encoder(level, Check::Crc32).map_err(io::Error::from)?;
            let mut encoder = XzEncoder::new_stream(&mut out, stream);
            let stats = archive(tree, &mut encoder)?;
            encoder.finish()?;
            stats
        }
        Compression::Lz4 => {
            let mut encoder = Lz4Writer::new(&mut out)?;
            let stats = archive(tree, &mut encoder)?;
            encoder.finish()?;
            stats
        }
        _ => {
            let ranges = "compression levels: gzip 1 to 9, zstd 1 to 19, xz 0 to 9";
            return Err(ImageError::Option(ranges));
        }
    };
    out.flush()?;
    stats.bytes = out.bytes;
    Ok(stats)
}

/// Cuts the input into jobs of a fixed size, so that every number of workers gives
/// the same bytes, one included.
fn in_jobs<W: Write>(
    encoder: &mut zstd::stream::write::Encoder<'_, W>,
    workers: u32,
) -> io::Result<()> {
    encoder.multithread(workers)?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    // A job sees an eighth of the window before it: more of it costs the time that
    // the second worker saves, and gains a thousandth of the size.
    encoder.set_parameter(CParameter::OverlapSizeLog(6))
}

/// Counts what goes through.
struct Counter<'w> {
    inner: &'w mut dyn Write,
    bytes: u64,
}

impl Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn archive(tree: &Tree, out: &mut dyn Write) -> Result<InitrdStats, ImageError> {
    let mut out = Counter { inner: out, bytes: 0 };
    let mut stats = InitrdStats::default();
    // Number of each inode, and how many of its names are still to come.
    let mut numbers: BTreeMap<InodeId, (u32, u32)> = BTreeMap::new();
    let mut next = 0u32;
    for (path, id, inode) in tree.walk() {
        let links = tree.link_count(id);
        let (number, left) = numbers.entry(id).or_insert_with(|| {
            next += 1;
            (next, links)
        });
        *left -= 1;
        let data: &[u8] = match &inode.kind {
            // The unpacker makes the file at its last name, so the bytes
            // come there and only there.
            Kind::File(content) if *left == 0 => content.as_slice(),
            Kind::Symlink(target) => target.as_bytes(),
            _ => &[],
        };
        let links = if inode.kind.is_directory() { 2 } else { links };
        let name = if path.is_empty() { "." } else { path };
        entry(&mut out, name, inode, *number, links, data)?;
        stats.entries += 1;
        stats.dropped_xattrs.extend(inode.xattrs.keys().map(|key| format!("{name}: {key}")));
    }
    header(&mut out, "TRAILER!!!", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    pad(&mut out, 512)?;
    stats.archive_bytes = out.bytes;
    Ok(stats)
}

fn entry(
    out: &mut Counter<'_>,
    name: &str,
    inode: &Inode,
    number: u32,
    links: u32,
    data: &[u8],
) -> Result<(), ImageError> {
    let size = u32::try_from(data.len()).map_err(|_| ImageError::FileTooLarge {
        path: name.to_owned(),
        size: data.len() as u64,
        format: "initrd",
        max: MAX_FILE,
    })?;
    let (major, minor) = match inode.kind {
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => (major, minor),
        _ => (0, 0),
    };
    let mode = type_bits(&inode.kind) | (inode.mode & 0o7777);
    let latest = i64::from(u32::MAX);
    let mtime = u32::try_from(inode.mtime.clamp(0, latest)).unwrap_or(u32::MAX);
    let (uid, gid) = (inode.uid, inode.gid);
    header(out, name, [number, mode, uid, gid, links, mtime, size, 0, 0, major, minor])?;
    out.write_all(data)?;
    pad(out, 4)?;
    Ok(())
}

/// One header and name. Fields in the format's order: inode, mode, uid, gid,
/// links, time, size, device (major, minor), device node (major, minor).
fn header(out: &mut Counter<'_>, name: &str, fields: [u32; 11]) -> io::Result<()> {
    let mut text = String::with_capacity(110);
    text.push_str("070701");
    for field in fields {
        text.push_str(&format!("{field:08X}"));
    }
    // Length of the name with its terminator, and a checksum newc leaves 0.
    text.push_str(&format!("{:08X}{:08X}", name.len() + 1, 0));
    out.write_all(text.as_bytes())?;
    out.write_all(name.as_bytes())?;
    out.write_all(&[0])?;
    pad(out, 4)
}

fn pad(out: &mut Counter<'_>, to: u64) -> io::Result<()> {
    let zeros = [0u8; 512];
    let missing = usize::try_from(out.bytes.next_multiple_of(to) - out.bytes).unwrap_or(0);
    out.write_all(&zeros[..missing])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_workers_gives_the_same_bytes() {
        // Five jobs of words that repeat over some distance.
        let word = |n: usize| format!("{:x} ", (n * n) % 65_521).into_bytes();
        let text: Vec<u8> = (0..2_200_000).flat_map(word).collect();
        assert!(text.len() > 4 * JOB as usize);
        let packed = |workers| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            in_jobs(&mut encoder, workers).unwrap();
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        };
        let one = packed(1);
        assert!(one == packed(2) && one == packed(5));
        assert!(zstd::decode_all(one.as_slice()).unwrap() == text);
    }
}
