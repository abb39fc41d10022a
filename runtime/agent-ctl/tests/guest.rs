//! `run` against the project's own agent in a real guest: a bundle of the host, from its
//! first file to its exit code. The kernel and the initrd are those of `target/kata`, or
//! those that `KATA_TEST_KERNEL` and `KATA_TEST_INITRD` name.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use boot_check::{BootRequest, Rootfs};
use hypervisor::Hypervisor;
use hypervisor::accelerator::Accelerator;
use hypervisor::qemu::QemuVm;
use hypervisor::vsock::VsockAddress;
use serde_json::{Value, json};

/// Long enough for a busy host.
const LONG: Duration = Duration::from_secs(240);

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn given(variable: &str, prefix: &str, suffix: &str) -> PathBuf {
    if let Some(value) = std::env::var_os(variable) {
        return value.into();
    }
    let folder = target().join("kata").join(std::env::consts::ARCH);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(prefix) && name.ends_with(suffix)
    };
    let mut found: Vec<PathBuf> = entries.filter(fits).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("{variable} is not set, and {} is bare", folder.display()))
}

/// A guest whose agent listens.
async fn guest(folder: &Path) -> QemuVm {
    let kernel = given("KATA_TEST_KERNEL", "vmlinuz-", "-kata");
    let initrd = given("KATA_TEST_INITRD", "kata-alpine-", ".initrd");
    let mut request = BootRequest::new(kernel, Rootfs::Initrd(initrd), folder);
    let tools = std::env::var_os("KATA_TEST_TOOLS").map(PathBuf::from);
    request.tools.tools_dir = Some(tools.unwrap_or_else(|| target().join("tools/bin")));
    let machine = request.machine(Accelerator::Tcg { icount: false }).validate().unwrap();
    let mut vm = QemuVm::new(machine, request.tools.clone());
    vm.start().await.unwrap();
    let console = vm.console();
    let mut changes = console.watch();
    let listens = async {
        loop {
            changes.borrow_and_update();
            if console.lines().iter().any(|line| line.text.contains("ttRPC server started")) {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(LONG, listens).await.expect("the agent listens");
    vm
}

/// A bundle as `runc spec` makes it, with busybox as its files.
fn bundle(folder: &Path, script: &str) {
    let path = std::env::var_os("PATH").unwrap();
    let busybox = std::env::split_paths(&path).map(|folder| folder.join("busybox"));
    let busybox = busybox.into_iter().find(|path| path.is_file()).expect("busybox is installed");
    fs::create_dir_all(folder.join("rootfs/bin")).unwrap();
    fs::copy(busybox, folder.join("rootfs/bin/busybox")).unwrap();
    symlink("busybox", folder.join("rootfs/bin/sh")).unwrap();
    symlink("busybox", folder.join("rootfs/bin/cat")).unwrap();
    for name in ["dev", "proc", "sys"] {
        fs::create_dir(folder.join("rootfs").join(name)).unwrap();
    }
    fs::write(folder.join("rootfs/secret"), "kept\n").unwrap();
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(folder.join("rootfs/secret"), mode).unwrap();
    let made = Command::new("runc").arg("spec").current_dir(folder).status();
    assert!(made.expect("runc is installed").success());
    let config = folder.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    spec["process"]["terminal"] = json!(false);
    spec["process"]["args"] = json!(["sh", "-c", script]);
    fs::write(config, spec.to_string()).unwrap();
}

fn run(address: &str, bundle: &Path, input: &[u8]) -> Output {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("kata-agent-ctl"))
        .args(["run", "--timeout", "120", "--server-address", address])
        .arg(bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_runs_from_start_to_exit() {
    let folder = tempfile::tempdir().unwrap();
    let mut vm = guest(folder.path()).await;
    let address = match vm.vsock().unwrap() {
        VsockAddress::Hybrid(path) => format!("hvsock://{}:1024", path.display()),
        VsockAddress::Cid(cid) => format!("vsock://{cid}:1024"),
    };
    let first = folder.path().join("first");
    bundle(&first, "cat /secret; cat; echo done >&2; exit 42");
    let again = folder.path().join("again");
    bundle(&again, "exec /bin/nothing");
    let outputs = tokio::task::spawn_blocking(move || {
        let whole = run(&address, &first, b"over the wire\n");
        // The sandbox is there by now, and another container fits in.
        (whole, run(&address, &again, b""))
    });
    let (whole, failed) = outputs.await.unwrap();
    let _ = vm.stop(Duration::from_secs(5)).await;
    let text = String::from_utf8_lossy(&whole.stderr);
    assert_eq!(whole.status.code(), Some(42), "{text}");
    assert_eq!(String::from_utf8_lossy(&whole.stdout), "kept\nover the wire\n");
    assert_eq!(text, "done\n");
    assert_eq!(failed.status.code(), Some(127), "{failed:?}");
}
