//! Reads the texts of /proc. Every function takes the text, so that tests need no
//! kernel; odd lines are skipped, never an error.

use kata_agent_api::{Memory, MountEntry, RootMount};

/// The mounts of a /proc/*/mountinfo text, in its order.
#[must_use]
pub fn mounts(mountinfo: &str) -> Vec<MountEntry> {
    mountinfo.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<MountEntry> {
    // Between the options and " - " there is any number of tags.
    let (place, filesystem) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(4);
    let (target, options) = (place.next()?, place.next()?);
    let mut filesystem = filesystem.splitn(3, ' ');
    let (fstype, source) = (filesystem.next()?, filesystem.next()?);
    let of_filesystem = filesystem.next().unwrap_or("");
    let mut all: Vec<&str> = options.split(',').collect();
    for option in of_filesystem.split(',').filter(|option| !option.is_empty()) {
        if !all.contains(&option) {
            all.push(option);
        }
    }
    // A read-write mount of a read-only filesystem is read-only.
    if all.contains(&"ro") {
        all.retain(|option| *option != "rw");
    }
    Some(MountEntry {
        target: unescape(target),
        source: unescape(source),
        fstype: fstype.to_owned(),
        options: all.join(","),
    })
}

/// The kernel writes blanks and the like as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The mount that is seen at `/`: the last one there.
#[must_use]
pub fn root(mounts: &[MountEntry]) -> RootMount {
    let Some(root) = mounts.iter().rev().find(|mount| mount.target == "/") else {
        return RootMount::default();
    };
    let dax = root.options.split(',').any(|option| matches!(option, "dax" | "dax=always"));
    RootMount {
        source: root.source.clone(),
        fstype: root.fstype.clone(),
        options: root.options.clone(),
        dax,
    }
}

/// Lines like `Name:   123 kB` of /proc/meminfo and /proc/self/status, as pairs of
/// name and bytes (or plain number, where there is no unit).
pub fn figures(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let mut words = value.split_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        let unit = match words.next() {
            Some("kB") => 1024,
            _ => 1,
        };
        Some((name, number.checked_mul(unit)?))
    })
}

/// One figure by name; 0 when it is not there.
#[must_use]
pub fn figure(text: &str, name: &str) -> u64 {
    figures(text).find(|(found, _)| *found == name).map_or(0, |(_, value)| value)
}

/// Memory from /proc/meminfo.
#[must_use]
pub fn memory(meminfo: &str) -> Memory {
    Memory {
        total: figure(meminfo, "MemTotal"),
        free: figure(meminfo, "MemFree"),
        available: figure(meminfo, "MemAvailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
        1 1 0:2 / / rw shared:1 - rootfs rootfs rw,size=1\n\
        21 1 259:1 / / ro,relatime shared:1 master:2 - ext4 /dev/pmem0p1 rw,dax=always\n\
        garbage\n\
        22 21 0:4 / /a\\040b\\134 rw - tmpfs none rw\n";

    #[test]
    fn the_last_mount_at_the_root_counts() {
        let mounts = mounts(MOUNTINFO);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[2].target, "/a b\\");
        let root = root(&mounts);
        assert_eq!(root.fstype, "ext4");
        assert_eq!(root.source, "/dev/pmem0p1");
        assert_eq!(root.options, "ro,relatime,dax=always");
        assert!(root.dax);
    }

    #[test]
    fn dax_never_is_not_dax() {
        let text = "21 1 8:1 / / ro - ext4 /dev/vda1 ro,dax=never\n";
        assert!(!root(&mounts(text)).dax);
        assert_eq!(root(&[]), RootMount::default());
    }

    #[test]
    fn figures_are_bytes() {
        let text = "MemTotal:  2 kB\nMemFree: x\nHugePages_Total:   7\nMemAvailable: 1 kB\n";
        let expected = Memory { total: 2048, free: 0, available: 1024 };
        assert_eq!(memory(text), expected);
        assert_eq!(figure(text, "HugePages_Total"), 7);
        assert_eq!(figure("A: 99999999999999999999 kB\nA: 18446744073709551615 kB", "A"), 0);
    }
}
