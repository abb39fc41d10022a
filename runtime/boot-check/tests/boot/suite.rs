//! Every RPC of the agent, with real containers: as process 1 of an initrd, and as a
//! service of an image.

use boot_check::{BootRequest, RootDriver, Rootfs, Suite};

use crate::guest::{debian, image, initrd, on_path, run};

fn tried(rootfs: Rootfs) {
    let suite = Suite { busybox: on_path("busybox"), debian: Some(debian()), only: None };
    let report = run(rootfs, |request: &mut BootRequest| request.suite = Some(suite))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let cases = report.checks.iter().filter(|check| check.name.starts_with("suite "));
    let names: Vec<&str> = cases.map(|check| check.name.as_str()).collect();
    println!("{}", names.join("\n"));
    // One that is left out passes too.
    assert!(names.len() >= 40, "{} cases", names.len());
}

#[test]
fn the_agent_as_process_one() {
    tried(initrd());
}

#[test]
fn the_agent_as_a_service() {
    tried(image(RootDriver::NvdimmDax));
}
