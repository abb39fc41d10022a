//! Devices in made-up trees, there already or appearing while somebody waits.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::os::{Linux, Recorder};

const LONG: Duration = Duration::from_secs(60);

struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/devices/pci0000:00")).unwrap();
        fs::create_dir_all(root.path().join("dev")).unwrap();
        Self { root }
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.root.path().join(path)).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn with(&self, os: impl Os + 'static, patience: Duration) -> Arc<Devices> {
        let (sys, dev) = (self.root.path().join("sys"), self.root.path().join("dev"));
        Arc::new(Devices::at(Arc::new(os), &sys, &dev, patience))
    }

    fn patient(&self) -> Arc<Devices> {
        self.with(Linux, LONG)
    }

    fn impatient(&self) -> Arc<Devices> {
        self.with(Linux, Duration::from_millis(1))
    }

    /// The bridge 02 with a disk in its slot 01.
    fn disk_behind_a_bridge(&self) {
        let bridge = "sys/devices/pci0000:00/0000:00:02.0";
        self.folder(&format!("{bridge}/pci_bus/0000:01"));
        self.file(&format!("{bridge}/0000:01:01.0/virtio3/block/vda/dev"), "254:16\n");
        self.file("dev/vda", "");
    }
}

fn path(text: &str) -> PciPath {
    text.parse().unwrap()
}

#[test]
fn pci_paths_as_text() {
    for (text, same) in [
        ("02/01", "02/01"),
        ("2", "02"),
        ("1f.7/00", "1f.7/00"),
        ("20/02.0", "20/02"),
        ("ff/1", "ff/01"),
    ] {
        assert_eq!(path(text).to_string(), same);
    }
    assert_eq!(PciPath::of_slots(&[2, 31]).unwrap(), path("02/1f"));
    let deep = ["01"; 17].join("/");
    for text in [
        "", "/", "02/", "/02", "20", "02/20", "02.8", "02.", "02.00", "+2", "002", "0x2", "g",
        "02 ", "..", &deep,
    ] {
        let problem = text.parse::<PciPath>().unwrap_err();
        assert!(problem.contains("is no PCI path"), "{text}: {problem}");
    }
    assert!(PciPath::of_slots(&[]).is_err());
    assert!(PciPath::of_slots(&[1, 256]).is_err());
    assert!(PciPath::of_slots(&[u32::MAX]).is_err());
}

#[tokio::test]
async fn a_disk_that_is_there_is_found_at_once() {
    let machine = Machine::new();
    machine.disk_behind_a_bridge();
    let disk = machine.patient().block_by_pci(&path("02/01")).await.unwrap();
    assert_eq!((disk.name.as_str(), disk.major, disk.minor), ("vda", 254, 16));
    assert_eq!(disk.path, machine.root.path().join("dev/vda"));
    assert!(disk.sysfs.ends_with("0000:01:01.0/virtio3/block/vda"));
    // The second function of a device, without virtio, and on another root bus.
    machine.file("sys/devices/pci0000:20/0000:20:03.1/block/sdb/dev", "8:16\n");
    machine.file("dev/sdb", "");
    let disk = machine.patient().block_by_pci(&path("20/03.1")).await.unwrap();
    assert_eq!(disk.name, "sdb");
    // ARM's root bus.
    machine.file(
        "sys/devices/platform/4010000000.pcie/pci0000:30/0000:30:01.0/virtio0/block/vdc/dev",
        "254:32\n",
    );
    machine.file("dev/vdc", "");
    assert_eq!(machine.patient().block_by_pci(&path("30/01")).await.unwrap().name, "vdc");
}

#[tokio::test]
async fn a_disk_that_appears_later() {
    let machine = Machine::new();
    let devices = machine.patient();
    let waiting = tokio::spawn({
        let devices = Arc::clone(&devices);
        async move { devices.block_by_pci(&path("02/01")).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    machine.disk_behind_a_bridge();
    devices.look_again();
    assert_eq!(waiting.await.unwrap().unwrap().name, "vda");
}

#[tokio::test]
async fn a_disk_without_a_word_of_the_kernel() {
    let machine = Machine::new();
    let devices = machine.patient();
    let waiting = tokio::spawn(async move { devices.block_by_pci(&path("02/01")).await });
    tokio::task::yield_now().await;
    machine.disk_behind_a_bridge();
    assert_eq!(waiting.await.unwrap().unwrap().name, "vda");
}

#[tokio::test]
async fn a_missing_disk_is_said_with_what_is_there() {
    let machine = Machine::new();
    machine.disk_behind_a_bridge();
    machine.folder("sys/bus/pci/devices/0000:00:02.0");
    machine.folder("sys/class/block/vda");
    let devices = machine.impatient();
    let error = devices.block_by_pci(&path("02/03")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no block device at the PCI path 02/03 appeared within 1 ms; there are 0000:00:02.0, vda"
    );
    let error = devices.network_by_pci(&path("02/01")).await.unwrap_err();
    assert!(matches!(error, DeviceError::Missing { .. }), "a disk is no link: {error}");
    let error = devices.pmem("pmem0").await.unwrap_err();
    assert_eq!(error.to_string(), "no block device pmem0 appeared within 1 ms; there are vda");
    // In sysfs, but without a node.
    fs::remove_file(machine.root.path().join("dev/vda")).unwrap();
    assert!(devices.block_by_pci(&path("02/01")).await.is_err());
    let empty = Machine::new();
    let error = empty.impatient().pci(&path("01")).await.unwrap_err().to_string();
    assert!(error.ends_with("there is none at all"), "{error}");
}

#[tokio::test]
async fn disks_by_name() {
    let machine = Machine::new();
    for name in ["pmem1", "vdb", "ram!0"] {
        machine.file(&format!("sys/class/block/{name}/dev"), "259:1\n");
    }
    for node in ["dev/pmem1", "dev/vdb", "dev/ram/0"] {
        machine.file(node, "");
    }
    let devices = machine.patient();
    assert_eq!(devices.pmem("/dev/pmem1").await.unwrap().minor, 1);
    assert_eq!(devices.block_by_name("vdb").await.unwrap().name, "vdb");
    assert!(devices.block_by_name("ram!0").await.unwrap().path.ends_with("dev/ram/0"));
    for name in ["", "/", "..", ".", "a/b", "/dev/../etc/passwd", "/etc/passwd", "vd b", "/dev/"] {
        let error = devices.block_by_name(name).await.unwrap_err();
        assert!(matches!(error, DeviceError::Invalid(_)), "{name}: {error}");
    }
    for name in ["/dev/vdb", "pmem", "pmem1p1", "pmemx"] {
        let error = devices.pmem(name).await.unwrap_err();
        assert!(matches!(error, DeviceError::Invalid(_)), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_network_device() {
    let machine = Machine::new();
    machine.folder("sys/devices/pci0000:00/0000:00:05.0/virtio1/net/eth0");
    machine.folder("sys/devices/pci0000:00/0000:00:06.0/net/enp6s0");
    let devices = machine.patient();
    assert_eq!(devices.network_by_pci(&path("05")).await.unwrap(), "eth0");
    assert_eq!(devices.network_by_pci(&path("06")).await.unwrap(), "enp6s0");
}

#[tokio::test]
async fn a_scsi_disk_is_looked_for_by_virtio_adapters_alone() {
    let machine = Machine::new();
    machine.file("sys/class/scsi_host/host0/proc_name", "ahci\n");
    machine.file("sys/class/scsi_host/host2/proc_name", "virtio_scsi\n");
    for host in [0, 2] {
        machine
            .file(&format!("sys/class/scsi_device/{host}:0:3:1/device/block/sd{host}/dev"), "8:0");
        machine.file(&format!("dev/sd{host}"), "");
    }
    let os = Arc::new(Recorder::new());
    let sys = machine.root.path().join("sys");
    let devices =
        Devices::at(Arc::clone(&os) as Arc<dyn Os>, &sys, &machine.root.path().join("dev"), LONG);
    let disk = devices.scsi("3:1".parse().unwrap()).await.unwrap();
    assert_eq!(disk.name, "sd2");
    let scan = sys.join("class/scsi_host/host2/scan");
    assert_eq!(os.log(), format!("write {} \"0 3 1\"\n", scan.display()));
    machine.file("sys/class/scsi_host/host0/proc_name", "virtio_scsi\n");
    let error = devices.scsi("3:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "SCSI disk 3:1 fits more than one device: sd0 and sd2");
    let missing = machine.with(Recorder::new(), Duration::ZERO).scsi("3:2".parse().unwrap()).await;
    let missing = missing.unwrap_err().to_string();
    assert_eq!(missing, "no SCSI disk 3:2 appeared within 0 ms; there are 0:0:3:1, 2:0:3:1");
    for text in ["", ":", "1", "1:", ":1", "256:0", "0:16384", "-1:0", "+1:0", "0:0:0", "a:b"] {
        assert!(text.parse::<ScsiAddress>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_device_is_given_to_vfio() {
    let machine = Machine::new();
    let folder = "sys/devices/pci0000:00/0000:00:07.0";
    machine.file(&format!("{folder}/vendor"), "0x8086\n");
    machine.link(&format!("{folder}/driver"), "../../../bus/pci/drivers/e1000e");
    machine.link(&format!("{folder}/iommu_group"), "../../../kernel/iommu_groups/5");
    machine.file("sys/class/vfio/5/dev", "244:0\n");
    machine.file("dev/vfio/5", "");
    let os = Arc::new(Recorder::new());
    let (sys, dev) = (machine.root.path().join("sys"), machine.root.path().join("dev"));
    let devices = Devices::at(Arc::clone(&os) as Arc<dyn Os>, &sys, &dev, LONG);
    let group = devices.vfio_group(&path("07")).await.unwrap();
    assert_eq!((group.number, group.node.major), (5, 244));
    assert_eq!(group.node.path, dev.join("vfio/5"));
    assert_eq!(group.device.address, "0000:00:07.0");
    let log = os.log().replace(&sys.display().to_string(), "");
    expect_test::expect![[r#"
        write /devices/pci0000:00/0000:00:07.0/driver_override "vfio-pci"
        write /devices/pci0000:00/0000:00:07.0/driver/unbind "0000:00:07.0"
        write /bus/pci/drivers_probe "0000:00:07.0"
    "#]]
    .assert_eq(&log);
    let failing = machine.with(Recorder::new().failing("write", 19), LONG);
    let error = failing.vfio_group(&path("07")).await.unwrap_err();
    assert!(matches!(error, DeviceError::Refused { .. }), "{error}");
}
