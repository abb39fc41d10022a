//! Storages, seen from the operating system's side.

use std::fs;
use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use kata_agent_api::agent::FSGroup;
use kata_agent_api::types::FSGroupChangePolicy;
use protobuf::MessageField;

use super::*;
use crate::os::Recorder;
use crate::reaper::Scope;

/// Tools over a recorder, in a machine made up in a folder.
struct Bench {
    os: Arc<Recorder>,
    root: tempfile::TempDir,
}

impl Bench {
    fn new(os: Recorder) -> Self {
        let bench = Self { os: Arc::new(os), root: tempfile::tempdir().unwrap() };
        bench.file("dev/vda", "");
        bench.file("dev/pmem1", "");
        bench.file("sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda/dev", "254:0\n");
        bench.file("sys/class/block/pmem1/dev", "259:1\n");
        bench.file("sys/class/block/vda/dev", "254:0\n");
        bench
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tools(&self) -> Tools {
        let (sys, dev) = (self.root.path().join("sys"), self.root.path().join("dev"));
        let os: Arc<dyn Os> = Arc::clone(&self.os) as Arc<dyn Os>;
        Tools {
            devices: Arc::new(Devices::at(Arc::clone(&os), &sys, &dev, Duration::from_millis(1))),
            os,
            reaper: Arc::new(Reaper::new(Scope::OwnChildren)),
            paths: Paths { run: "/run/k".into(), resolv_conf: "/etc/resolv.conf".into() },
        }
    }

    fn log(&self) -> String {
        self.os.log().replace(&self.root.path().display().to_string(), "")
    }
}

fn storage(driver: &str, fstype: &str, options: &[&str], mount_point: &str) -> Storage {
    Storage {
        driver: driver.into(),
        fstype: fstype.into(),
        options: options.iter().map(ToString::to_string).collect(),
        mount_point: mount_point.into(),
        ..Storage::default()
    }
}

fn from(source: &str, storage: Storage) -> Storage {
    Storage { source: source.into(), ..storage }
}

/// What making a storage for the container c asks of the operating system, and what
/// undoing it does.
async fn check(storage: &Storage, expected: &Expect) {
    let bench = Bench::new(Recorder::new());
    let (tools, mut storages) = (bench.tools(), Storages::default());
    let outcome = match storages.add(&tools, storage, Some("c")).await {
        Ok(_) => "undone:\n".to_owned(),
        Err(error) => format!("error: {error}\n"),
    };
    let made = bench.log() + &outcome.replace(&bench.root.path().display().to_string(), "");
    storages.clear(tools.os.as_ref());
    let all = bench.log();
    let undone = &all[bench_length(&made, &outcome)..];
    expected.assert_eq(&(made.clone() + undone));
}

fn bench_length(made: &str, outcome: &str) -> usize {
    made.len() - outcome.len()
}

async fn refusal(storage: &Storage) -> String {
    let bench = Bench::new(Recorder::new());
    let outcome = Storages::default().add(&bench.tools(), storage, None).await;
    assert!(!bench.log().contains("mount "), "{}", bench.log());
    outcome.unwrap_err().to_string()
}

#[tokio::test]
async fn shared_memory_is_a_tmpfs() {
    check(
        &storage("ephemeral", "tmpfs", &["noexec", "mode=1777", "size=64"], "/run/k/shm"),
        &expect![[r#"
            mkdir /run/k/shm 755
            mount tmpfs /run/k/shm tmpfs noexec,mode=1777,size=64
            undone:
            unmount /run/k/shm lazily
        "#]],
    )
    .await;
}

#[tokio::test]
async fn local_folders_get_mode_and_group() {
    check(
        &storage("local", "local", &["mode=0777", "fsgid=1000"], "/run/k/local"),
        &expect![[r#"
            mkdir /run/k/local 755
            chmod /run/k/local 777
            chgrp /run/k/local 1000
            undone:
            rmdir /run/k/local
        "#]],
    )
    .await;
}

#[tokio::test]
async fn block_devices_by_path_and_by_name() {
    let group = FSGroup {
        group_id: 7,
        group_change_policy: FSGroupChangePolicy::OnRootMismatch.into(),
        ..FSGroup::default()
    };
    let mut disk = from("02", storage("blk", "ext4", &["ro", "noatime"], "/run/k/d"));
    disk.fs_group = MessageField::some(group);
    check(
        &disk,
        &expect![[r#"
            mkdir /run/k/d 755
            mount /dev/vda /run/k/d ext4 ro,noatime
            give /run/k/d to 7 ro on mismatch
            undone:
            unmount /run/k/d lazily
        "#]],
    )
    .await;
    check(
        &from("/dev/pmem1", storage("nvdimm", "ext4", &["dax"], "/run/k/p")),
        &expect![[r#"
            mkdir /run/k/p 755
            mount /dev/pmem1 /run/k/p ext4 dax
            undone:
            unmount /run/k/p lazily
        "#]],
    )
    .await;
    check(
        &from("/dev/vda", storage("mmioblk", "xfs", &[], "/run/k/m")),
        &expect![[r#"
            mkdir /run/k/m 755
            mount /dev/vda /run/k/m xfs 
            undone:
            unmount /run/k/m lazily
        "#]],
    )
    .await;
    let missing = refusal(&from("03", storage("blk", "ext4", &[], "/run/k/d"))).await;
    assert!(missing.contains("no block device at the PCI path 03 appeared"), "{missing}");
    for source in ["", "zz", "/dev/../etc/passwd", "/dev/"] {
        refusal(&from(source, storage("blk", "ext4", &[], "/run/k/d"))).await;
    }
    let mut secret = from("02", storage("blk", "ext4", &[], "/run/k/d"));
    secret.driver_options = vec!["encryption_key=ephemeral".into()];
    assert!(refusal(&secret).await.contains("confidential data hub"));
}

#[tokio::test]
async fn folders_of_the_host() {
    check(
        &from("kataShared", storage("virtio-fs", "virtiofs", &["nodev"], "/run/k/shared")),
        &expect![[r#"
            mkdir /run/k/shared 755
            mount kataShared /run/k/shared virtiofs nodev
            undone:
            unmount /run/k/shared lazily
        "#]],
    )
    .await;
}

#[tokio::test]
async fn layers_that_a_container_writes_over() {
    let mut layers = storage(
        "overlayfs",
        "overlay",
        &["io.katacontainers.fs-opt.overlay-rw", "lowerdir=/run/k/a:/run/k/b"],
        "/run/k/c/rootfs",
    );
    layers.driver_options =
        vec!["io.katacontainers.volume.overlayfs.create_directory=/run/k/c/snapshot".into()];
    check(
        &layers,
        &expect![[r#"
            mkdir /run/k/c/snapshot 755
            mkdir /run/k/c/overlay/upper 755
            mkdir /run/k/c/overlay/work 755
            mkdir /run/k/c/rootfs 755
            mount overlay /run/k/c/rootfs overlay lowerdir=/run/k/a:/run/k/b,upperdir=/run/k/c/overlay/upper,workdir=/run/k/c/overlay/work
            undone:
            unmount /run/k/c/rootfs lazily
            remove /run/k/c/overlay/work
            remove /run/k/c/overlay/upper
            remove /run/k/c/snapshot
        "#]],
    )
    .await;
    layers.driver_options =
        vec!["io.katacontainers.volume.overlayfs.create_directory=/etc/x".into()];
    assert!(refusal(&layers).await.contains("below /run/k only"));
}

#[tokio::test]
async fn a_bind_of_a_file_and_of_a_folder() {
    check(
        &from("/a", storage("bind", "", &["ro"], "/run/k/b")),
        &expect![[r#"
            mkdir /run/k/b 755
            mount /a /run/k/b - bind,ro
            undone:
            unmount /run/k/b lazily
        "#]],
    )
    .await;
    let bench = Bench::new(Recorder::new().with_file("/a/f", ""));
    let file = from("/a/f", storage("bind", "", &["rbind"], "/run/k/f"));
    Storages::default().add(&bench.tools(), &file, None).await.unwrap();
    assert_eq!(bench.log(), "mkdir /run/k 755\ntouch /run/k/f\nmount /a/f /run/k/f - rbind\n");
}

#[tokio::test]
async fn huge_pages_are_set_aside_first() {
    let pages = storage("ephemeral", "hugetlbfs", &["pagesize=2M", "size=4M"], "/run/k/h");
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    // The recorder's file never changes: as a kernel that has no memory for them.
    let bench = Bench::new(Recorder::new().with_file(pool, "1\n"));
    let error = Storages::default().add(&bench.tools(), &pages, None).await.unwrap_err();
    assert!(error.to_string().contains("2 pages of 2097152 bytes are due"), "{error}");
    assert_eq!(bench.log(), format!("write {pool} \"3\"\nwrite {pool} \"1\"\n"));
}

#[tokio::test]
async fn copies_of_the_host_s_folders_are_in_memory() {
    let bench = Bench::new(Recorder::new());
    let mut tools = bench.tools();
    tools.paths.run = bench.root.path().join("run");
    let folder = tools.paths.shared_containers().join("watchable");
    fs::create_dir_all(&folder).unwrap();
    bench.file("host/key", "value");
    let source = bench.root.path().join("host").display().to_string();
    let mut storages = Storages::default();
    for name in ["a", "b"] {
        let target = folder.join(name);
        let copy = storage("watchable-bind", "bind", &[], target.to_str().unwrap());
        storages.add(&tools, &from(&source, copy), Some("c")).await.unwrap();
        assert_eq!(fs::read_to_string(target.join("key")).unwrap(), "value");
    }
    storages.clear(tools.os.as_ref());
    expect![[r#"
        mkdir /run/shared/containers/watchable 755
        mount tmpfs /run/shared/containers/watchable tmpfs nosuid,nodev,mode=0755
        mkdir /run/shared/containers/watchable 755
        mkdir /run/shared/containers/watchable 755
        remove /run/shared/containers/watchable/b
        remove /run/shared/containers/watchable/a
        unmount /run/shared/containers/watchable lazily
    "#]]
    .assert_eq(&bench.log());
}

#[tokio::test]
async fn users_are_counted() {
    let bench = Bench::new(Recorder::new());
    let (tools, mut storages) = (bench.tools(), Storages::default());
    let shm = storage("ephemeral", "tmpfs", &[], "/run/k/shm");
    let kept = Storage { shared: true, ..storage("ephemeral", "tmpfs", &[], "/run/k/kept") };
    let both = [shm.clone(), kept];
    let first = storages.add_all(&tools, &both, None).await.unwrap();
    let second = storages.add_all(&tools, &both, Some("c")).await.unwrap();
    assert_eq!(bench.log().matches("mount tmpfs").count(), 2);
    storages.drop_all(tools.os.as_ref(), &first);
    assert_eq!(storages.users(Path::new("/run/k/shm")), 1);
    assert!(!bench.log().contains("unmount"));
    storages.drop_all(tools.os.as_ref(), &second);
    assert_eq!(bench.log().matches("unmount").count(), 1);
    storages.clear(tools.os.as_ref());
    assert!(bench.log().ends_with("unmount /run/k/kept lazily\n"));
}

#[tokio::test]
async fn a_half_made_storage_is_undone() {
    let bench = Bench::new(Recorder::new().failing("chgrp", 1));
    let tools = bench.tools();
    let good = storage("ephemeral", "tmpfs", &[], "/run/k/a");
    let broken = storage("ephemeral", "tmpfs", &["fsgid=5"], "/run/k/b");
    let mut storages = Storages::default();
    assert!(storages.add_all(&tools, &[good, broken], None).await.is_err());
    let end = "chgrp /run/k/b 5\nunmount /run/k/b lazily\nunmount /run/k/a lazily\n";
    assert!(bench.log().ends_with(end), "{}", bench.log());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let text = async |storage: Storage| refusal(&storage).await;
    assert!(text(storage("blk-ccw", "", &[], "/a")).await.contains("s390x"));
    assert!(text(storage("nfs", "", &[], "/a")).await.contains("there are bind, blk"));
    assert!(text(storage("ephemeral", "ext4", &[], "/a")).await.contains("tmpfs and hugetlbfs"));
    for point in ["", "/", "a/b", "/a/../b", "/a\0b"] {
        let said = text(storage("local", "", &[], point)).await;
        assert!(said.contains("plain absolute"), "{point}: {said}");
    }
    assert!(text(storage("local", "", &["mode=9"], "/a")).await.contains("mode=9"));
    assert!(text(storage("local", "", &["fsgid=-1"], "/a")).await.contains("fsgid=-1"));
    assert!(text(from("x", storage("bind", "", &[], "/a"))).await.contains("plain absolute"));
}
