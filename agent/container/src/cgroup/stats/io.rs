//! Block devices.

use std::io;
use std::path::Path;

use super::file;

/// What was read from block devices and written to them. Queues, times, merges and
/// sectors, which the older hierarchy counted, are not counted in this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Bytes.
    pub bytes: Vec<IoEntry>,
    /// Requests.
    pub requests: Vec<IoEntry>,
}

/// A number about one device and one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoEntry {
    /// The device's major number.
    pub major: u64,
    /// Its minor number.
    pub minor: u64,
    /// The kind: `Read`, `Write` or `Discard`, the older hierarchy's words.
    pub kind: &'static str,
    /// How much, since the container was made.
    pub value: u64,
}

pub(super) fn read(folder: &Path) -> io::Result<IoStats> {
    let mut stats = IoStats::default();
    // A line is `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
    for line in file::text(folder, "io.stat")?.lines() {
        let mut words = line.split_ascii_whitespace();
        let device = words.next().and_then(|device| device.split_once(':'));
        let Some((major, minor)) =
            device.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            let (list, kind) = match key {
                "rbytes" => (&mut stats.bytes, "Read"),
                "wbytes" => (&mut stats.bytes, "Write"),
                "dbytes" => (&mut stats.bytes, "Discard"),
                "rios" => (&mut stats.requests, "Read"),
                "wios" => (&mut stats.requests, "Write"),
                "dios" => (&mut stats.requests, "Discard"),
                _ => continue,
            };
            list.push(IoEntry { major, minor, kind, value });
        }
    }
    Ok(stats)
}
