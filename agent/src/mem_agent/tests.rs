//! Rounds over made-up groups and figures; the recorder shows what is asked of the
//! kernel.

use std::fs;

use nix::errno::Errno;
use tempfile::TempDir;

use super::*;
use crate::os::Recorder;

const CALM: &str = "some avg10=0.00 avg60=0.50 avg300=9.00 total=1\nfull avg10=99.00 avg60=99.00\n";
const BUSY: &str = "some avg10=7.00 avg60=2.00 avg300=0.00 total=1\n";
const MIB: u64 = 1 << 20;

struct Guest {
    root: TempDir,
    os: Recorder,
}

impl Guest {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), os: Recorder::new() }
    }

    fn path(&self, path: &str) -> String {
        self.root.path().join(path).display().to_string()
    }

    fn with(mut self, path: &str, text: &str) -> Self {
        self.os = std::mem::take(&mut self.os).with_file(&self.path(path), text);
        self
    }

    fn failing(mut self, path: &str, text: &str, errno: Errno) -> Self {
        let prefix = format!("write {} {text:?}", self.path(path));
        self.os = std::mem::take(&mut self.os).failing(&prefix, errno as i32);
        self
    }

    fn group(self, name: &str, pressure: &str, file: u64, anonymous: u64) -> Self {
        let folder = self.root.path().join("cgroup").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("memory.reclaim"), "").unwrap();
        let stat = format!("anon 1\ninactive_anon {anonymous}\ninactive_file {file}\n");
        self.with(&format!("cgroup/{name}/cpu.pressure"), CALM)
            .with(&format!("cgroup/{name}/io.pressure"), CALM)
            .with(&format!("cgroup/{name}/memory.pressure"), pressure)
            .with(&format!("cgroup/{name}/memory.stat"), &stat)
    }

    fn places(&self) -> Places {
        Places { cgroup: self.root.path().join("cgroup"), proc: self.root.path().join("proc") }
    }

    fn log(&self) -> String {
        self.os.log().replace(&self.path(""), "")
    }
}

#[test]
fn only_groups_that_were_idle_for_long_give_memory() {
    let guest = Guest::new()
        .group("pod/idle", CALM, 80 * MIB, 50 * MIB)
        .group("pod/busy", BUSY, 80 * MIB, 0)
        .group("agent", CALM, 80 * MIB, 0)
        .with("proc/self/cgroup", "0::/agent\n");
    let mut reclaimer = memcg::Reclaimer::new(guest.places());
    let settings = Memcg { idle_rounds: 2, ..Memcg::default() };
    reclaimer.run(&guest.os, &settings);
    assert_eq!(guest.log(), "");
    reclaimer.run(&guest.os, &settings);
    expect_test::expect![[r#"
        write cgroup/pod/idle/memory.reclaim "33554432 swappiness=0"
        write cgroup/pod/idle/memory.reclaim "33554432 swappiness=0"
        write cgroup/pod/idle/memory.reclaim "16777216 swappiness=0"
    "#]]
    .assert_eq(&guest.log());
    // Another one in its place is another one.
    fs::remove_dir_all(guest.root.path().join("cgroup/pod/idle")).unwrap();
    reclaimer.run(&guest.os, &settings);
    let guest = guest.group("pod/idle", CALM, 80 * MIB, 0);
    reclaimer.run(&guest.os, &settings);
    assert_eq!(guest.log().lines().count(), 3);
}

#[test]
fn swapping_is_asked_for_by_name() {
    let settings = Memcg { swap: true, swappiness_max: 70, idle_rounds: 0, ..Memcg::default() };
    let guest = Guest::new().group("a", CALM, MIB, 2 * MIB);
    memcg::Reclaimer::new(guest.places()).run(&guest.os, &settings);
    assert_eq!(guest.log(), "write cgroup/a/memory.reclaim \"3145728 swappiness=70\"\n");
    // Kernels that can't be told are told nothing where they would swap.
    let no_swap = Memcg { swap: false, ..settings };
    let old = |swaps: &str| {
        Guest::new().group("a", CALM, MIB, 0).with("proc/swaps", swaps).failing(
            "cgroup/a/memory.reclaim",
            "1048576 swappiness=0",
            Errno::EINVAL,
        )
    };
    for (swaps, asked) in [("Filename\n", 2), ("Filename\n/dev/vdb\n", 1)] {
        let guest = old(swaps);
        memcg::Reclaimer::new(guest.places()).run(&guest.os, &no_swap);
        assert_eq!(guest.log().lines().count(), asked, "{}", guest.log());
    }
}

#[test]
fn reclaiming_ends_when_it_hurts_or_nothing_is_left() {
    let settings =
        Memcg { idle_rounds: 0, period_psi_limit: 100, eviction_psi_limit: 5, ..Memcg::default() };
    let hurting = Guest::new().group("a", BUSY, 80 * MIB, 0);
    memcg::Reclaimer::new(hurting.places()).run(&hurting.os, &settings);
    assert_eq!(hurting.log().lines().count(), 1);
    let text = "33554432 swappiness=0";
    let empty = Guest::new().group("a", CALM, 80 * MIB, 0);
    let empty = empty.failing("cgroup/a/memory.reclaim", text, Errno::EAGAIN);
    memcg::Reclaimer::new(empty.places()).run(&empty.os, &settings);
    assert_eq!(empty.log().lines().count(), 1);
    // A kernel without figures of pressure is never idle.
    let silent = Guest::new().group("a", "", 80 * MIB, 0);
    memcg::Reclaimer::new(silent.places()).run(&silent.os, &settings);
    assert_eq!(silent.log(), "");
}

/// 4 * 1 + 3 * 2 split pages below order 2, and larger pieces.
const BUDDY: &str = "Node 0, zone   Normal      4      3      9      9\n";

#[test]
fn memory_is_compacted_when_it_is_worth_while() {
    let calm =
        |buddy: &str| Guest::new().with("proc/pressure/memory", CALM).with("proc/buddyinfo", buddy);
    let settings = Compact { order: 2, threshold: 100, ..Compact::default() };
    let whole = calm(BUDDY);
    let mut compactor = compact::Compactor::new(whole.places());
    compactor.run(&whole.os, &settings);
    compactor.run(&whole.os, &settings);
    assert_eq!(whole.log(), "");
    // 101 pages more than at first; the same afterwards is no reason.
    let split = whole.with("proc/buddyinfo", &format!("{BUDDY}Node 0, zone DMA 1 50 0\n"));
    compactor.run(&split.os, &settings);
    compactor.run(&split.os, &settings);
    assert_eq!(split.log(), "write proc/sys/vm/compact_memory \"1\"\n");

    let forced = Compact { force_times: 2, ..settings };
    let guest = calm(BUDDY);
    let mut compactor = compact::Compactor::new(guest.places());
    for expected in [0, 0, 1, 1, 1, 2] {
        compactor.run(&guest.os, &forced);
        assert_eq!(guest.log().lines().count(), expected);
    }
    for pressure in [BUSY, "", "some avg10=6.00 avg60=0.00 total=0\n"] {
        let guest = calm(BUDDY).with("proc/pressure/memory", pressure);
        let forced = Compact { force_times: 0, ..settings };
        compact::Compactor::new(guest.places()).run(&guest.os, &forced);
        assert_eq!(guest.log(), "", "{pressure}");
    }
}

#[test]
fn names_and_values() {
    let mut settings = Settings::default();
    for (name, value) in [
        ("mem_agent_enable", "1"),
        ("mem_agent_memcg_disable", "true"),
        ("mem_agent_memcg_swap", "on"),
        ("mem_agent_memcg_swappiness_max", "200"),
        ("mem_agent_memcg_period_secs", "5"),
        ("mem_agent_memcg_period_psi_percent_limit", "2"),
        ("mem_agent_memcg_eviction_psi_percent_limit", "3"),
        ("mem_agent_memcg_eviction_run_aging_count_min", "4"),
        ("mem_agent_compact_disable", "false"),
        ("mem_agent_compact_period_secs", "6"),
        ("mem_agent_compact_period_psi_percent_limit", "7"),
        ("mem_agent_compact_psi_percent_limit", "8"),
        ("mem_agent_compact_sec_max", "9"),
        ("mem_agent_compact_order", "10"),
        ("mem_agent_compact_threshold", "11"),
        ("mem_agent_compact_force_times", "12"),
    ] {
        settings.set(name, value).expect(name).unwrap();
    }
    let memcg = Memcg {
        disabled: true,
        swap: true,
        swappiness_max: 200,
        period: Duration::from_secs(5),
        period_psi_limit: 2,
        eviction_psi_limit: 3,
        idle_rounds: 4,
    };
    let compact = Compact {
        disabled: false,
        period: Duration::from_secs(6),
        period_psi_limit: 7,
        psi_limit: 8,
        sec_max: 9,
        order: 10,
        threshold: 11,
        force_times: 12,
    };
    assert_eq!(settings, Settings { enable: true, memcg, compact });
    for (name, value) in [
        ("mem_agent_memcg_swappiness_max", "201"),
        ("mem_agent_memcg_period_secs", "0"),
        ("mem_agent_compact_psi_percent_limit", "101"),
        ("mem_agent_compact_order", "11"),
        ("mem_agent_compact_sec_max", "-1"),
        ("mem_agent_enable", "maybe"),
    ] {
        assert!(settings.set(name, value).expect(name).is_err(), "{name}");
    }
    assert!(settings.set("mem_agent_memcg_colour", "1").is_none());
    assert!(settings.set("memcg_swap", "1").is_none());
}

#[tokio::test]
async fn the_worker_does_what_is_due_and_ends_with_its_agent() {
    let guest = Guest::new()
        .with("proc/pressure/memory", CALM)
        .with("proc/buddyinfo", BUDDY)
        .group("a", CALM, MIB, 0);
    let places = guest.places();
    let os = Arc::new(guest.os);
    let memcg =
        Memcg { disabled: true, idle_rounds: 0, period: Duration::ZERO, ..Memcg::default() };
    let compact = Compact { period: Duration::ZERO, force_times: 0, ..Compact::default() };
    let (sender, receiver) = watch::channel(Settings { enable: true, memcg, compact });
    let agent = MemAgent { settings: Some(sender) };
    let worker = Worker::new(Arc::clone(&os) as Arc<dyn Os>, places);
    let working = tokio::spawn(worker.work(receiver));
    let until = Instant::now() + Duration::from_secs(60);
    while !os.log().contains("compact_memory") {
        assert!(Instant::now() < until, "nothing is done");
        tokio::task::yield_now().await;
    }
    assert!(!os.log().contains("reclaim"), "that is disabled");
    let wrong = [
        ("mem_agent_compact_disable", Some("true".to_owned())),
        ("mem_agent_compact_order", Some("70".to_owned())),
    ];
    assert!(agent.change(&wrong).unwrap_err().starts_with("mem_agent_compact_order: "));
    assert!(!agent.settings.as_ref().unwrap().borrow().compact.disabled, "all or none");
    let values = [
        ("mem_agent_compact_disable", Some("true".to_owned())),
        ("mem_agent_memcg_disable", Some("false".to_owned())),
        ("mem_agent_memcg_swap", None),
    ];
    assert_eq!(agent.change(&values), Ok(true));
    while !os.log().contains("memory.reclaim") {
        assert!(Instant::now() < until, "nothing is done");
        tokio::task::yield_now().await;
    }
    drop(agent);
    tokio::time::timeout(Duration::from_secs(60), working).await.unwrap().unwrap();
}

#[tokio::test]
async fn off_is_nothing() {
    let os = Arc::new(Recorder::new());
    let agent = MemAgent::start(Arc::clone(&os) as Arc<dyn Os>, Settings::default());
    assert_eq!(agent.change(&[("mem_agent_memcg_swap", Some("true".to_owned()))]), Ok(false));
    assert_eq!(Arc::strong_count(&os), 1, "no task holds it");
}
