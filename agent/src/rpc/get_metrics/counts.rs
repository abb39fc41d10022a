//! How many there are of what must not grow without end, and what disks have done.

use std::path::Path;

use super::{Text, label};
use crate::procfs;
use crate::report::read;

/// Columns of /proc/diskstats behind the name (Documentation/admin-guide/iostats).
const DISK: [&str; 17] = [
    "reads",
    "merged",
    "sectors_read",
    "time_reading",
    "writes",
    "writes_merged",
    "sectors_written",
    "time_writing",
    "in_progress",
    "time_in_progress",
    "weighted_time_in_progress",
    "discards",
    "discards_merged",
    "sectors_discarded",
    "time_discarding",
    "flushes",
    "time_flushing",
];

impl Text {
    /// `proc` and `cgroup` are where those filesystems are.
    pub(super) fn counts(&mut self, proc: &Path, cgroup: &Path) {
        let one = |value: Option<usize>| value.map(|value| (String::new(), value));
        let files = std::fs::read_dir(proc.join("self/fd")).ok().map(Iterator::count);
        self.metric("gauge", "kata_agent_open_files", "Open files of the agent.", one(files));
        let help = "Processes but the kernel's own, ended ones too.";
        self.metric("gauge", "kata_guest_processes", help, one(processes(proc)));
        let mounts = read(proc.join("self/mountinfo")).lines().count();
        let mounts = Some(mounts).filter(|mounts| *mounts > 0);
        self.metric("gauge", "kata_guest_mounts", "Mounts that the agent sees.", one(mounts));
        let stat = read(cgroup.join("cgroup.stat"));
        let below = stat.lines().find_map(|line| line.strip_prefix("nr_descendants "));
        let below = below.and_then(|number| number.parse().ok());
        self.metric("gauge", "kata_guest_cgroups", "Cgroups below the root.", one(below));
        let io = read(proc.join("self/io"));
        let items = procfs::figures(&io).map(|(name, value)| (label("item", name), value));
        self.metric("counter", "kata_agent_io_stat", "What the agent has read and written.", items);
        let disks = read(proc.join("diskstats"));
        let items = disks.lines().flat_map(disk);
        self.metric("counter", "kata_guest_diskstat", "What disks have done.", items);
    }
}

fn processes(proc: &Path) -> Option<usize> {
    let entries = std::fs::read_dir(proc).ok()?.flatten();
    let is_one = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let is_number = name.to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
        is_number && !is_kernels(&read(entry.path().join("stat")))
    };
    Some(entries.filter(is_one).count())
}

/// Whether a line of /proc/PID/stat is of a thread of the kernel: by `PF_KTHREAD` in the
/// ninth field, the seventh behind the name. One that has just gone counts no more.
fn is_kernels(stat: &str) -> bool {
    let behind = stat.rsplit_once(") ").map(|(_, behind)| behind);
    let flags = behind.and_then(|behind| behind.split(' ').nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & 0x20_0000 != 0)
}

fn disk(line: &str) -> Vec<(String, u64)> {
    let mut words = line.split_whitespace().skip(2);
    let Some(name) = words.next() else { return Vec::new() };
    let of_disk = label("disk", name);
    let of_disk = of_disk.trim_end_matches('}');
    let sample = |(item, value): (&&str, &str)| {
        let of_item = label("item", item);
        let labels = format!("{of_disk},{}", of_item.trim_start_matches('{'));
        Some((labels, value.parse().ok()?))
    };
    DISK.iter().zip(words).filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_by_name_and_item() {
        let samples = disk(" 254  0 vda 5 1 40 7 0 0 0 0 0 8 9");
        let (labels, value) = &samples[2];
        assert_eq!((labels.as_str(), *value), ("{disk=\"vda\",item=\"sectors_read\"}", 40));
        assert_eq!(samples.len(), 11);
        assert!(disk("1 2").is_empty());
    }

    #[test]
    fn the_kernel_s_own_do_not_count() {
        assert!(is_kernels("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0"));
        assert!(!is_kernels("1 (a) b) S 0 1 1 0 -1 4194560 7 8"));
        assert!(is_kernels(""));
    }

    #[test]
    fn counts_of_this_process() {
        let mut text = Text::default();
        text.counts(Path::new("/proc"), Path::new("/nowhere"));
        let value = |name: &str| {
            let line = text.0.lines().find(|line| line.starts_with(&format!("{name} ")))?;
            line.rsplit_once(' ')?.1.parse::<usize>().ok()
        };
        assert!(value("kata_agent_open_files").unwrap() >= 3);
        assert!(value("kata_guest_processes").unwrap() >= 1);
        assert!(value("kata_guest_mounts").unwrap() >= 1);
        assert_eq!(value("kata_guest_cgroups"), None, "what is not known is left out");
    }
}
