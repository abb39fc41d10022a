//! Huge pages.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::file;

/// Huge pages of one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HugetlbStats {
    /// Bytes now.
    pub usage: u64,
    /// The most bytes that there were: 0, as this hierarchy keeps no count.
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// The most bytes that there may be; the greatest number means no limit.
    pub limit: u64,
}

/// Every size that the kernel counts, by its name.
pub(super) fn read(folder: &Path) -> io::Result<BTreeMap<String, HugetlbStats>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let size = name
            .to_str()
            .and_then(|name| name.strip_prefix("hugetlb."))
            .and_then(|name| name.strip_suffix(".current"))
            // Reservations have a second dot.
            .filter(|size| !size.contains('.'));
        let Some(size) = size else { continue };
        let name = |what: &str| format!("hugetlb.{size}.{what}");
        let stats = HugetlbStats {
            usage: file::number(folder, &name("current"))?,
            max_usage: 0,
            failures: file::number_of(folder, &name("events"), "max")?,
            limit: file::number(folder, &name("max"))?,
        };
        found.insert(size.to_owned(), stats);
    }
    Ok(found)
}
