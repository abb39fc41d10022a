//! Every failure class, shown on a real guest that was broken on purpose: the
//! class, and that what to look at is named.

use boot_check::{BootFailure, Breakage, FailureClass, Init, RootDriver, Stage};

use crate::guest::{broken, image, initrd, run};

const DISK: RootDriver = RootDriver::VirtioBlk;
const NVDIMM: RootDriver = RootDriver::NvdimmDax;

/// The failure has that class, and its suspect names each of `suspects`.
#[track_caller]
fn check(failure: &BootFailure, class: &FailureClass, suspects: &[&str]) {
    assert_eq!(failure.class(), class, "{failure}");
    assert!(!failure.diagnosis.explanation.is_empty());
    let suspect = failure.diagnosis.suspect.as_deref().unwrap_or_default();
    for word in suspects {
        assert!(suspect.contains(word), "{word} is not named in {suspect:?}");
    }
}

#[track_caller]
fn seen(failure: &BootFailure) -> &str {
    failure.diagnosis.evidence.as_deref().expect("evidence")
}

#[test]
fn no_root_device() {
    let failure = broken(image(DISK), Breakage::NoRootDevice, false);
    check(&failure, &FailureClass::NoRootDevice, &["root= on the command line"]);
    assert!(failure.diagnosis.explanation.contains("/dev/vdz9"));
    let failure = broken(image(NVDIMM), Breakage::NoRootDevice, false);
    let suspects = ["CONFIG_ACPI_NFIT", "CONFIG_BLK_DEV_PMEM", "the image's header"];
    check(&failure, &FailureClass::NoRootDevice, &suspects);
    assert!(failure.diagnosis.explanation.contains("/dev/pmem9p1"));
    assert_eq!(failure.stage, Stage::Kernel);
}

#[test]
fn no_partition_on_the_disk() {
    let failure = run(image(DISK), |request| {
        request.extra_kernel_params.push("root=/dev/vda7".into());
    });
    let failure = failure.expect_err("there is no seventh partition");
    check(&failure, &FailureClass::NoRootDevice, &["partition table", "CONFIG_MSDOS_PARTITION"]);
}

#[test]
fn wrong_filesystem() {
    for driver in [DISK, NVDIMM] {
        let failure = broken(image(driver), Breakage::WrongFilesystem, false);
        check(&failure, &FailureClass::WrongFilesystem, &["rootfstype="]);
        assert!(failure.diagnosis.explanation.contains("erofs"), "{failure}");
    }
}

#[test]
fn no_init() {
    let failure = broken(image(DISK), Breakage::NoInit, false);
    check(&failure, &FailureClass::NoInit, &["systemd-sysv", "init="]);
    let failure = broken(initrd(), Breakage::NoInit, false);
    check(&failure, &FailureClass::NoInit, &["/init in the initrd", "rdinit="]);
    assert!(!failure.console_tail.is_empty());
}

#[test]
fn init_died() {
    for rootfs in [initrd(), image(DISK)] {
        let failure = broken(rootfs, Breakage::InitDied, false);
        check(&failure, &FailureClass::InitDied, &["the program run as init"]);
        assert_eq!(failure.diagnosis.explanation, "init ended: exit code 1");
        assert!(seen(&failure).contains("Attempted to kill init"));
        assert_eq!(failure.stage, Stage::Init);
    }
}

#[test]
fn an_agent_that_gives_up_as_process_one_says_why() {
    let failure = broken(initrd(), Breakage::AgentGivesUp, false);
    check(&failure, &FailureClass::InitDied, &["agent.server_addr="]);
    assert!(seen(&failure).contains("the guest agent can't run"), "{failure}");
    assert!(seen(&failure).contains("can't listen on bogus://x"), "{failure}");
    // It powered off instead of taking the kernel with it.
    assert!(failure.console_tail.iter().any(|line| line.contains("reboot: Power down")));
    assert!(!failure.console_tail.iter().any(|line| line.contains("Kernel panic")), "{failure}");
}

#[test]
fn an_agent_that_gives_up_as_a_service_says_why() {
    let failure = broken(image(NVDIMM), Breakage::AgentGivesUp, false);
    check(&failure, &FailureClass::InitDied, &["agent.server_addr="]);
    assert!(seen(&failure).contains("can't listen on bogus://x"), "{failure}");
}

#[test]
fn a_systemd_that_may_not_start_the_agent() {
    let failure = broken(image(NVDIMM), Breakage::AgentMasked, false);
    check(&failure, &FailureClass::InitDied, &["kata-agent.service", "systemd.mask="]);
    assert!(seen(&failure).contains("kata-agent.service is masked"), "{failure}");
}

#[test]
fn no_virtio_disk() {
    let failure = broken(image(DISK), Breakage::NoVirtio, false);
    check(&failure, &FailureClass::NoVirtio, &["CONFIG_VIRTIO_PCI", "CONFIG_VIRTIO_BLK"]);
}

#[test]
fn no_virtio_under_the_vsock() {
    let failure = broken(initrd(), Breakage::NoVirtio, true);
    check(&failure, &FailureClass::NoVirtio, &["CONFIG_VIRTIO_PCI", "CONFIG_VIRTIO_VSOCKETS"]);
}

#[test]
fn no_vsock() {
    for rootfs in [initrd(), image(NVDIMM)] {
        let failure = broken(rootfs, Breakage::NoVsock, true);
        check(&failure, &FailureClass::NoVsock, &["CONFIG_VSOCKETS", "CONFIG_VIRTIO_VSOCKETS"]);
    }
}

#[test]
fn agent_silent() {
    let failure = broken(initrd(), Breakage::AgentSilent, true);
    check(&failure, &FailureClass::AgentSilent, &["agent.server_addr"]);
    assert!(seen(&failure).contains("vsock://-1:9999"), "{failure}");
    assert_eq!(failure.stage, Stage::Agent);
}

#[test]
fn version_mismatch() {
    let failure = broken(initrd(), Breakage::VersionMismatch, false);
    let FailureClass::VersionMismatch { expected, found } = failure.class() else {
        panic!("{failure}");
    };
    assert_eq!(expected, "0.0.0-other");
    assert!(failure.diagnosis.explanation.contains(found.as_str()));
    let suspect = failure.diagnosis.suspect.as_deref().unwrap_or_default();
    assert!(suspect.contains("build the image again"), "{suspect}");
}

#[test]
fn out_of_memory() {
    let failure = broken(initrd(), Breakage::OutOfMemory, false);
    check(&failure, &FailureClass::OutOfMemory, &["memory size", "initrd"]);
}

#[test]
fn a_silent_kernel() {
    let failure = broken(initrd(), Breakage::KernelSilent, true);
    check(&failure, &FailureClass::KernelSilent, &["CONFIG_SERIAL_8250_CONSOLE", "console=ttyS0"]);
    assert_eq!(failure.stage, Stage::Firmware);
}

#[test]
fn clock_wrong() {
    let failure = broken(initrd(), Breakage::ClockWrong, false);
    let FailureClass::ClockWrong { skew_ms } = *failure.class() else { panic!("{failure}") };
    assert!(skew_ms < -1_000_000, "{skew_ms}");
    let suspect = failure.diagnosis.suspect.as_deref().unwrap_or_default();
    assert!(suspect.contains("CONFIG_RTC") && suspect.contains("chrony"), "{suspect}");
}

#[test]
fn checks_failed() {
    let failure = broken(initrd(), Breakage::ChecksFailed, false);
    check(&failure, &FailureClass::ChecksFailed { names: vec!["memory".into()] }, &[]);
    assert!(failure.to_string().contains("expected at most 1 MiB"), "{failure}");
    let failure = run(image(DISK), |request| {
        request.expect.dax = true;
        request.expect.init = Init::Agent;
        request.expect.root_fstype = Some("erofs".into());
    })
    .expect_err("a disk has no DAX, and its init is not the agent");
    println!("{failure}");
    let FailureClass::ChecksFailed { names } = failure.class() else { panic!("{failure}") };
    for name in ["pid 1", "root mount", "dax", "failed units"] {
        assert!(names.iter().any(|found| found == name), "{name} did not fail: {names:?}");
    }
}

#[test]
fn a_file_that_is_no_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    std::fs::write(&path, "not a kernel at all\n".repeat(100)).unwrap();
    let failure = run(initrd(), |request| request.kernel = path).expect_err("text does not boot");
    println!("{failure}");
    assert_eq!(*failure.class(), FailureClass::HypervisorFailed);
}
