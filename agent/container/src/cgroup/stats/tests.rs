//! Folders that stand for cgroups, with what a kernel wrote there.

use std::fs;

use super::*;

fn cgroup(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("it is written");
    }
    folder
}

#[test]
fn every_number_is_found() {
    let folder = cgroup(&[
        (
            "cpu.stat",
            "usage_usec 5001\nuser_usec 3000\nsystem_usec 2001\nnice_usec 0\n\
             nr_periods 9\nnr_throttled 4\nthrottled_usec 77\nnr_bursts 0\nburst_usec 0\n",
        ),
        ("memory.current", "4096\n"),
        ("memory.peak", "8192\n"),
        ("memory.max", "10000\n"),
        ("memory.events", "low 0\nhigh 0\nmax 6\noom 2\noom_kill 1\noom_group_kill 0\n"),
        ("memory.stat", "anon 1024\nfile 2048\nkernel 512\npgfault 3\n"),
        ("memory.swap.current", "100\n"),
        ("memory.swap.peak", "300\n"),
        ("memory.swap.max", "500\n"),
        ("memory.swap.events", "high 0\nmax 8\nfail 8\n"),
        ("pids.current", "3\n"),
        ("pids.max", "20\n"),
        (
            "io.stat",
            "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n253:0 rbytes=7 cost.usage=9\n",
        ),
        ("hugetlb.2MB.current", "2097152\n"),
        ("hugetlb.2MB.max", "max\n"),
        ("hugetlb.2MB.events", "max 11\n"),
        ("hugetlb.2MB.rsvd.current", "1\n"),
        ("hugetlb.1GB.current", "0\n"),
    ]);
    let stats = read(folder.path()).expect("it reads");
    let throttling = Throttling { periods: 9, throttled_periods: 4, throttled_time: 77_000 };
    let cpu = CpuStats { total: 5_001_000, kernel: 2_001_000, user: 3_000_000, throttling };
    assert_eq!(stats.cpu, cpu);
    let memory = stats.memory;
    assert_eq!(memory.cache, 2048);
    let usage = MemoryCounter { usage: 4096, max_usage: 8192, failures: 6, limit: 10_000 };
    assert_eq!(memory.usage, usage);
    let with_swap = MemoryCounter { usage: 4196, max_usage: 0, failures: 8, limit: 10_500 };
    assert_eq!(memory.swap_usage, with_swap);
    assert_eq!(memory.kernel_usage, MemoryCounter { usage: 512, ..MemoryCounter::default() });
    assert!(memory.use_hierarchy);
    assert_eq!(memory.details.get("pgfault"), Some(&3));
    assert_eq!(stats.pids, PidsStats { current: 3, limit: 20 });
    let entry = |(major, minor), kind, value| IoEntry { major, minor, kind, value };
    let (first, second) = ((8, 16), (253, 0));
    let bytes = [("Read", 1), ("Write", 2), ("Discard", 5)];
    let mut bytes: Vec<_> =
        bytes.into_iter().map(|(kind, value)| entry(first, kind, value)).collect();
    bytes.push(entry(second, "Read", 7));
    assert_eq!(stats.io.bytes, bytes);
    let requests = [("Read", 3), ("Write", 4), ("Discard", 6)];
    assert_eq!(stats.io.requests, requests.map(|(kind, value)| entry(first, kind, value)));
    let sizes: Vec<_> = stats.hugetlb.keys().map(String::as_str).collect();
    assert_eq!(sizes, ["1GB", "2MB"]);
    let pages = HugetlbStats { usage: 2 << 20, max_usage: 0, failures: 11, limit: u64::MAX };
    assert_eq!(stats.hugetlb.get("2MB"), Some(&pages));
}

#[test]
fn without_controllers_there_are_zeros_and_without_a_cgroup_an_error() {
    let folder = cgroup(&[]);
    assert_eq!(read(folder.path()).expect("it reads"), Stats::default());
    assert!(read(&folder.path().join("gone")).is_err());
}

#[test]
fn garbage_is_skipped_line_by_line() {
    let folder = cgroup(&[
        ("cpu.stat", "usage_usec\nuser_usec x\nsystem_usec 2\n\n -1 -1\nnr_periods -4\n"),
        ("memory.current", "many\n"),
        ("memory.stat", "anon 1\nfile 99999999999999999999\n\u{0}\n"),
        ("io.stat", "8 rbytes=1\n8:x rbytes=1\n8:0 rbytes wbytes=x rios=1\n:\n"),
        ("pids.current", ""),
        ("hugetlb.2MB.current", "-\n"),
    ]);
    fs::write(folder.path().join("memory.events"), b"max \xff\nmax 2\n").expect("it is written");
    let stats = read(folder.path()).expect("it reads");
    assert_eq!((stats.cpu.kernel, stats.cpu.total, stats.cpu.throttling.periods), (2000, 0, 0));
    assert_eq!((stats.memory.cache, stats.memory.usage.usage), (0, 0));
    assert_eq!(stats.memory.usage.failures, 2);
    assert_eq!(stats.memory.details.len(), 1);
    assert_eq!((stats.io.bytes.len(), stats.io.requests.len()), (0, 1));
    assert_eq!(stats.hugetlb.get("2MB"), Some(&HugetlbStats::default()));
}

#[test]
fn no_limit_is_the_greatest_number_except_of_processes() {
    let files = ["memory.max", "memory.swap.max", "pids.max"].map(|name| (name, "max\n"));
    let stats = read(cgroup(&files).path()).expect("it reads");
    assert_eq!((stats.memory.usage.limit, stats.memory.swap_usage.limit), (u64::MAX, u64::MAX));
    assert_eq!(stats.pids.limit, 0);
    // Memory without a limit makes the sum one without a limit.
    let files = [("memory.max", "max\n"), ("memory.swap.max", "5\n")];
    let stats = read(cgroup(&files).path()).expect("it reads");
    assert_eq!(stats.memory.swap_usage.limit, u64::MAX);
}
