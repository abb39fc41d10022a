//! Memory and swap.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::file::{self, UNLIMITED};

/// Memory, all of it in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Content of files that is kept in memory.
    pub cache: u64,
    /// All memory.
    pub usage: MemoryCounter,
    /// Memory and swap together, as the older hierarchy counted and runc still says:
    /// the kernel's number for swap alone, plus that for memory. There is no greatest
    /// usage of the sum, so it is 0.
    pub swap_usage: MemoryCounter,
    /// The kernel's own memory for these processes. It is within [`usage`](Self::usage)
    /// and has no limit of its own.
    pub kernel_usage: MemoryCounter,
    /// Whether cgroups below are counted too: in this hierarchy always, so it is only
    /// false when memory is not counted at all.
    pub use_hierarchy: bool,
    /// Everything that `memory.stat` says: bytes, or counts of events and pages.
    pub details: BTreeMap<String, u64>,
}

/// One kind of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryCounter {
    /// Bytes now.
    pub usage: u64,
    /// The most bytes that there were; 0 when the kernel keeps no count.
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// The most bytes that there may be; the greatest number means no limit.
    pub limit: u64,
}

pub(super) fn read(folder: &Path) -> io::Result<MemoryStats> {
    let details = file::numbers(folder, "memory.stat")?;
    let detail = |name: &str| details.get(name).copied().unwrap_or(0);
    let usage = counter(folder, "memory")?;
    let swap = counter(folder, "memory.swap")?;
    let limit = match (swap.limit, usage.limit) {
        (UNLIMITED, _) | (_, UNLIMITED) => UNLIMITED,
        (swap, memory) => swap.saturating_add(memory),
    };
    Ok(MemoryStats {
        cache: detail("file"),
        usage,
        swap_usage: MemoryCounter {
            usage: usage.usage.saturating_add(swap.usage),
            max_usage: 0,
            failures: swap.failures,
            limit,
        },
        kernel_usage: MemoryCounter { usage: detail("kernel"), ..MemoryCounter::default() },
        use_hierarchy: !details.is_empty(),
        details,
    })
}

/// The files of memory, or of swap, have the same names behind a dot.
fn counter(folder: &Path, kind: &str) -> io::Result<MemoryCounter> {
    Ok(MemoryCounter {
        usage: file::number(folder, &format!("{kind}.current"))?,
        max_usage: file::number(folder, &format!("{kind}.peak"))?,
        failures: file::number_of(folder, &format!("{kind}.events"), "max")?,
        limit: file::number(folder, &format!("{kind}.max"))?,
    })
}
