//! The agent of a guest is measured, and nothing of its containers stays. No figure is
//! asserted that depends on the host.

use boot_check::{Bench, Footprint, Plan};

use crate::guest::{initrd, on_path, run};

#[test]
fn containers_come_and_go_and_leave_nothing() {
    let plan = Plan::brief();
    let report = run(initrd(), |request| {
        request.bench = Some(Bench { busybox: on_path("busybox"), plan: plan.clone() });
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
    let measured = report.measured.expect("it was asked for");
    println!("{}", measured.to_text(0));
    assert_eq!(measured.grown(), Vec::<String>::new());
    let held: Vec<_> = measured.held.iter().map(|after| after.count).collect();
    assert_eq!(held, [0, 1, 3, 0]);
    // Each container that is there is seen in every count, and goes from it.
    let footprints: Vec<_> = measured.held.iter().map(|after| after.footprint).collect();
    let [none, one, three, gone] = footprints[..] else { panic!("{footprints:?}") };
    let counts: [fn(&Footprint) -> u64; 3] =
        [|now| now.processes, |now| now.cgroups, |now| now.open_files];
    for count in counts {
        let counts = [&none, &one, &three, &gone].map(count);
        assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
        // What all containers share is made with the first one, and stays.
        assert!(counts[3] < counts[1], "{counts:?}");
    }
    let ends: Vec<_> = measured.cycles.iter().map(|after| after.count).collect();
    assert_eq!(ends, [0, 10, 20]);
    assert!(measured.times.iter().all(|timed| timed.spread.count > 0), "{:?}", measured.times);
    assert!(measured.streams.iter().all(|stream| stream.bytes == u64::from(plan.stream)));
}
