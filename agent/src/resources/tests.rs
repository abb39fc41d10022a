//! Made-up processors and memory in a folder, which the real operating system
//! switches on by writing files.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::os::{Linux, Recorder};

const LONG: Duration = Duration::from_secs(60);

struct Machine {
    root: TempDir,
    os: Arc<dyn Os>,
}

impl Machine {
    /// One processor that can't be switched off.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("devices/system/cpu/cpu0")).unwrap();
        fs::create_dir_all(root.path().join("devices/system/cpu/cpufreq")).unwrap();
        fs::create_dir_all(root.path().join("devices/system/memory")).unwrap();
        Self { root, os: Arc::new(Linux) }
    }

    fn plug(&self, device: &str, state: &str) {
        let folder = self.root.path().join("devices/system").join(device);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("online"), state).unwrap();
    }

    fn state(&self, device: &str) -> String {
        fs::read_to_string(self.root.path().join("devices/system").join(device).join("online"))
            .unwrap()
    }

    fn resources(&self) -> Arc<Resources> {
        Arc::new(Resources::new(self.root.path()))
    }

    fn devices(&self, patience: Duration) -> Arc<Devices> {
        Arc::new(Devices::at(Arc::clone(&self.os), self.root.path(), self.root.path(), patience))
    }
}

#[tokio::test]
async fn no_more_processors_than_asked_for() {
    let machine = Machine::new();
    let resources = machine.resources();
    let mut processors = resources.processors();
    assert_eq!(*processors.borrow_and_update(), [0]);
    for number in 1..4 {
        machine.plug(&format!("cpu/cpu{number}"), "0\n");
    }
    resources.add_processors(&machine.os, &machine.devices(LONG), 2).await.unwrap();
    assert_eq!(
        ["cpu/cpu1", "cpu/cpu2", "cpu/cpu3"].map(|cpu| machine.state(cpu)),
        ["1", "1", "0\n"]
    );
    assert!(processors.has_changed().unwrap());
    assert_eq!(*processors.borrow_and_update(), [0, 1, 2]);
    resources.add_processors(&machine.os, &machine.devices(LONG), 1).await.unwrap();
    assert_eq!(machine.state("cpu/cpu3"), "1");
}

#[tokio::test]
async fn processors_that_come_late_or_by_themselves() {
    let machine = Machine::new();
    let resources = machine.resources();
    let devices = machine.devices(LONG);
    let waiting = tokio::spawn({
        let (resources, devices) = (Arc::clone(&resources), Arc::clone(&devices));
        let os = Arc::clone(&machine.os);
        async move { resources.add_processors(&os, &devices, 2).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    // One is switched on by the kernel, the other is not.
    machine.plug("cpu/cpu1", "1\n");
    machine.plug("cpu/cpu2", "0\n");
    devices.look_again();
    waiting.await.unwrap().unwrap();
    assert_eq!(machine.state("cpu/cpu2"), "1");
    // All are on before anybody asks.
    machine.plug("cpu/cpu3", "1\n");
    resources.add_processors(&machine.os, &devices, 1).await.unwrap();
    assert_eq!(*resources.processors().borrow(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn processors_that_do_not_come() {
    let machine = Machine::new();
    machine.plug("cpu/cpu1", "0\n");
    let resources = machine.resources();
    let devices = machine.devices(Duration::ZERO);
    let error = resources.add_processors(&machine.os, &devices, 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 2 new processors came online within 0 ms; online are 2, offline 0"
    );
    // The same request again wants no more than is missing still.
    machine.plug("cpu/cpu2", "0\n");
    resources.add_processors(&machine.os, &devices, 2).await.unwrap();
    machine.plug("cpu/cpu3", "0\n");
    let refusing: Arc<dyn Os> = Arc::new(Recorder::new().failing("write", 16));
    let error = resources.add_processors(&refusing, &devices, 1).await.unwrap_err();
    assert!(error.to_string().ends_with("online are 3, offline 1"), "{error}");
}

#[test]
fn memory() {
    let machine = Machine::new();
    machine.plug("memory/memory0", "1\n");
    machine.plug("memory/memory7", "0\n");
    machine.plug("memory/memory8", "0\n");
    let resources = machine.resources();
    let refusing = Recorder::new().failing("write", 16);
    let error = resources.add_memory(&refusing).unwrap_err();
    assert!(error.to_string().starts_with("can't switch 2 blocks of memory on: "), "{error}");
    assert_eq!(refusing.log().lines().count(), 2, "the others are tried too");
    resources.add_memory(&Linux).unwrap();
    assert_eq!(["memory/memory7", "memory/memory8"].map(|block| machine.state(block)), ["1", "1"]);

    let os = Recorder::new();
    resources.probe_memory(&os, 0x1_0000_0000).unwrap();
    let file = resources.memory_probe();
    assert_eq!(os.log(), format!("write {} \"0x100000000\"\n", file.display()));
}
