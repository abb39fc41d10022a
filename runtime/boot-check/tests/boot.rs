//! Boots real guests. Needs a kernel, an initrd with the agent as /init, and
//! an ext4 image (with `KATA_TEST_IMAGE_INIT=agent` if its init is not systemd):
//!
//! ```text
//! KATA_TEST_KERNEL=… KATA_TEST_INITRD=… KATA_TEST_IMAGE=… \
//!     cargo nextest run -p boot-check --features boot-tests
//! ```
//!
//! Host programs come from `KATA_TEST_TOOLS`, if set, then from PATH. Guests
//! run under TCG, so that results do not depend on the host.

use std::path::PathBuf;
use std::time::Duration;

use boot_check::{
    AcceleratorChoice, BootFailure, BootReport, BootRequest, Breakage, FailureClass, Init,
    RootDriver, Rootfs, Stage, boot,
};

fn given(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(value) => value.into(),
        None => panic!(
            "{name} is not set; run: KATA_TEST_KERNEL=<vmlinuz> KATA_TEST_INITRD=<initrd> \
             KATA_TEST_IMAGE=<image> cargo nextest run -p boot-check --features boot-tests"
        ),
    }
}

/// Changes a healthy request for the initrd, boots it and makes sure that
/// nothing stays.
fn run(change: impl FnOnce(&mut BootRequest)) -> Result<BootReport, Box<BootFailure>> {
    run_rootfs(Rootfs::Initrd(given("KATA_TEST_INITRD")), change)
}

/// The same for the image.
fn run_image(
    driver: RootDriver,
    change: impl FnOnce(&mut BootRequest),
) -> Result<BootReport, Box<BootFailure>> {
    let path = given("KATA_TEST_IMAGE");
    run_rootfs(Rootfs::Image { path, driver, fstype: "ext4".into() }, |request| {
        if std::env::var_os("KATA_TEST_IMAGE_INIT").is_some_and(|init| init == "agent") {
            request.expect.init = Init::Agent;
        }
        change(request);
    })
}

fn run_rootfs(
    rootfs: Rootfs,
    change: impl FnOnce(&mut BootRequest),
) -> Result<BootReport, Box<BootFailure>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut request = BootRequest::new(given("KATA_TEST_KERNEL"), rootfs, dir.path());
    request.accelerator = AcceleratorChoice::Tcg;
    request.tools.tools_dir = std::env::var_os("KATA_TEST_TOOLS").map(Into::into);
    change(&mut request);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(boot(&request));
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        // pid (comm) state ppid: a child of this test would be left over.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).unwrap_or("");
        assert_ne!(parent, own, "a child is left: {stat}");
    }
    outcome
}

fn broken(breakage: Breakage, timeout: u64) -> Box<BootFailure> {
    let failure = run(|request| {
        breakage.apply(request);
        request.timeout = Duration::from_secs(timeout);
    })
    .expect_err("a broken guest must not pass");
    println!("{failure}");
    failure
}

fn broken_image(driver: RootDriver, breakage: Breakage) -> FailureClass {
    let failure = run_image(driver, |request| breakage.apply(request))
        .expect_err("a broken guest must not pass");
    println!("{failure}");
    failure.class().clone()
}

#[test]
fn an_image_boots_as_nvdimm_with_dax_and_as_a_disk() {
    let nvdimm = run_image(RootDriver::NvdimmDax, |_| ());
    let nvdimm = nvdimm.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:?}", nvdimm.guest.root);
    assert!(nvdimm.guest.cmdline.contains("root=/dev/pmem0p1 "), "{}", nvdimm.guest.cmdline);
    assert!(nvdimm.guest.root.dax);
    let disk = run_image(RootDriver::VirtioBlk, |_| ());
    let disk = disk.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:?}", disk.guest.root);
    assert!(disk.guest.cmdline.contains("root=/dev/vda1 "), "{}", disk.guest.cmdline);
    assert!(!disk.guest.root.dax);
}

#[test]
fn broken_images_are_recognised() {
    let disk = RootDriver::VirtioBlk;
    assert_eq!(broken_image(disk, Breakage::NoRootDevice), FailureClass::NoRootDevice);
    assert_eq!(broken_image(disk, Breakage::WrongFilesystem), FailureClass::WrongFilesystem);
    assert_eq!(broken_image(disk, Breakage::NoVirtio), FailureClass::NoVirtio);
    assert_eq!(broken_image(disk, Breakage::NoInit), FailureClass::NoInit);
    let nvdimm = RootDriver::NvdimmDax;
    assert_eq!(broken_image(nvdimm, Breakage::WrongFilesystem), FailureClass::WrongFilesystem);
    assert_eq!(broken_image(nvdimm, Breakage::NoRootDevice), FailureClass::NoRootDevice);
}

#[test]
fn a_healthy_guest_boots_answers_and_powers_off() {
    let report = run(|_| ()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{}\n{}", report.to_json(), report.to_svg());
    assert!(report.guest.pid1.is_agent);
    let stages: Vec<_> = report.timeline.stages.iter().map(|stage| stage.stage).collect();
    assert_eq!(
        stages,
        [Stage::Firmware, Stage::Kernel, Stage::Init, Stage::Agent, Stage::Checks, Stage::PowerOff]
    );
    assert!(report.checks.iter().all(|check| check.passed));
    assert!(report.timeline.guest_agent_listening_ns.is_some());
}

#[test]
fn counted_guest_time_is_the_same_twice() {
    let counted = || {
        let report =
            run(|request| request.icount = true).unwrap_or_else(|failure| panic!("{failure}"));
        println!("{:?}", report.timeline);
        report.timeline.guest_agent_listening_ns
    };
    let (first, second) = (counted(), counted());
    assert!(first.is_some());
    assert_eq!(first, second);
}

#[test]
fn a_missing_init_is_recognised() {
    let failure = broken(Breakage::NoInit, 60);
    assert_eq!(*failure.class(), FailureClass::NoInit);
    assert!(!failure.console_tail.is_empty());
}

#[test]
fn a_silent_agent_is_recognised() {
    assert_eq!(*broken(Breakage::AgentSilent, 15).class(), FailureClass::AgentSilent);
}

#[test]
fn a_missing_vsock_is_recognised() {
    assert_eq!(*broken(Breakage::NoVsock, 15).class(), FailureClass::NoVsock);
}

#[test]
fn a_missing_virtio_transport_is_recognised() {
    assert_eq!(*broken(Breakage::NoVirtio, 15).class(), FailureClass::NoVirtio);
}

#[test]
fn a_silent_kernel_is_recognised() {
    assert_eq!(*broken(Breakage::KernelSilent, 15).class(), FailureClass::KernelSilent);
}

#[test]
fn too_little_memory_is_recognised() {
    assert_eq!(*broken(Breakage::OutOfMemory, 60).class(), FailureClass::OutOfMemory);
}

#[test]
fn another_agent_version_is_recognised() {
    let failure = broken(Breakage::VersionMismatch, 60);
    assert!(matches!(failure.class(), FailureClass::VersionMismatch { .. }), "{failure}");
}

#[test]
fn a_file_that_is_no_kernel_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    std::fs::write(&path, "not a kernel at all\n".repeat(100)).unwrap();
    let failure = run(|request| request.kernel = path).expect_err("text does not boot");
    println!("{failure}");
    assert_eq!(*failure.class(), FailureClass::HypervisorFailed);
}
