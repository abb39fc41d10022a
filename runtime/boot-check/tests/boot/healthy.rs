//! Guests that boot, answer and power off.

use boot_check::{RootDriver, Stage};

use crate::guest::{image, initrd, run};

#[test]
fn an_image_boots_as_nvdimm_with_dax() {
    let report =
        run(image(RootDriver::NvdimmDax), |_| ()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:?}", report.guest.root);
    assert!(report.guest.cmdline.contains("root=/dev/pmem0p1 "), "{}", report.guest.cmdline);
    assert!(report.guest.root.dax);
}

#[test]
fn the_same_image_boots_as_a_disk() {
    let report =
        run(image(RootDriver::VirtioBlk), |_| ()).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{:?}", report.guest.root);
    assert!(report.guest.cmdline.contains("root=/dev/vda1 "), "{}", report.guest.cmdline);
    assert!(!report.guest.root.dax);
}

#[test]
fn a_healthy_guest_boots_answers_and_powers_off() {
    let report = run(initrd(), |_| ()).unwrap_or_else(|failure| panic!("{failure}"));
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
        let report = run(initrd(), |request| request.icount = true)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{:?}", report.timeline);
        report.timeline.guest_agent_listening_ns
    };
    let (first, second) = (counted(), counted());
    assert!(first.is_some());
    assert_eq!(first, second);
}
