//! What resources become, without root: the orders in their order, and their way into
//! a folder that stands for a cgroup.

use std::fs;

use expect_test::expect;

use super::*;

fn planned(json: &str) -> Result<String, Invalid> {
    let resources: LinuxResources = serde_json::from_str(json).expect("they are resources");
    let line = |one: &Write| {
        let optional = if one.optional { " (if there)" } else { "" };
        let kept = if one.keeps { "(what is there) " } else { "" };
        format!("{} <- {kept}{}{optional}\n", one.file, one.value)
    };
    Ok(plan(&resources)?.iter().map(line).collect())
}

#[test]
fn everything_becomes_an_order() {
    let all = planned(
        r#"{"memory":{"limit":1000,"reservation":500,"swap":1500},
        "cpu":{"shares":1024,"quota":20000,"period":100000,"cpus":"0-1","mems":"0","burst":5},
        "pids":{"limit":10},
        "blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":100}],
          "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]},
        "hugepageLimits":[{"pageSize":"2MB","limit":4096}],
        "unified":{"memory.high":"900","io.max":"8:0 rbps=1\n8:16 rbps=2"}}"#,
    );
    expect![[r#"
        memory.swap.max <- 500
        memory.max <- 1000
        memory.low <- 500
        cpu.weight <- 39
        cpu.max.burst <- 0 (if there)
        cpu.max <- 20000 100000
        cpu.max.burst <- 5
        cpuset.cpus <- 0-1
        cpuset.mems <- 0
        pids.max <- 10
        io.bfq.weight <- 500 (if there)
        io.weight <- 4950 (if there)
        io.max <- 8:0 rbps=100
        io.max <- 8:0 wiops=max
        hugetlb.2MB.max <- 4096
        hugetlb.2MB.rsvd.max <- 4096 (if there)
        io.max <- 8:0 rbps=1
        io.max <- 8:16 rbps=2
        memory.high <- 900
    "#]]
    .assert_eq(&all.expect("they can be"));
}

#[test]
fn nothing_said_is_nothing_written_and_minus_one_is_no_limit() {
    let zeros = r#"{"memory":{"limit":0,"swap":0,"reservation":0},"pids":{"limit":0},
        "cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}"#;
    assert_eq!(planned(zeros).expect("they can be"), "");
    let unlimited = r#"{"memory":{"limit":-1},"pids":{"limit":-1},"cpu":{"quota":-1}}"#;
    expect![[r#"
        memory.swap.max <- max (if there)
        memory.max <- max
        cpu.max <- max
        pids.max <- max
    "#]]
    .assert_eq(&planned(unlimited).expect("they can be"));
}

#[test]
fn processor_time_is_ordered_so_that_the_kernel_takes_it() {
    for (asked, expected) in [
        (r#"{"quota":20000}"#, "cpu.max <- 20000\n"),
        (r#"{"quota":-1}"#, "cpu.max <- max\n"),
        (r#"{"period":50000}"#, "cpu.max <- (what is there) 50000\n"),
        (r#"{"quota":-1,"period":50000}"#, "cpu.max <- max 50000\n"),
        (
            r#"{"quota":20000,"burst":7}"#,
            "cpu.max.burst <- 0 (if there)\ncpu.max <- 20000\ncpu.max.burst <- 7\n",
        ),
        (r#"{"burst":0}"#, "cpu.max.burst <- 0 (if there)\n"),
        (r#"{"idle":1,"shares":1024}"#, "cpu.idle <- 1\n"),
        (r#"{"idle":0,"shares":1024}"#, "cpu.idle <- 0 (if there)\ncpu.weight <- 39\n"),
    ] {
        let planned = planned(&format!(r#"{{"cpu":{asked}}}"#)).expect("it can be");
        assert_eq!(planned, expected, "{asked}");
    }
}

#[test]
fn what_can_not_be_is_refused() {
    for bad in [
        r#"{"memory":{"limit":-2}}"#,
        r#"{"memory":{"limit":10,"swap":5}}"#,
        r#"{"cpu":{"cpus":"0-1;rm"}}"#,
        r#"{"blockIO":{"weight":5}}"#,
        r#"{"blockIO":{"throttleReadBpsDevice":[{"major":-8,"minor":0,"rate":1}]}}"#,
        r#"{"hugepageLimits":[{"pageSize":"../x","limit":1}]}"#,
        r#"{"unified":{"../memory.max":"1"}}"#,
        r#"{"unified":{"cgroup.procs":"1"}}"#,
        r#"{"unified":{"memory":"1"}}"#,
    ] {
        assert!(planned(bad).is_err(), "{bad}");
    }
}

/// A folder with the files that the kernel would have made.
pub(super) fn fake(files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("it is written");
    }
    let open = File::open(folder.path()).expect("it opens");
    let cgroup = Cgroup {
        folder: folder.path().to_owned(),
        open,
        made: Vec::new(),
        attached: devices::Attached::default(),
    };
    (folder, cgroup)
}

#[test]
fn orders_are_written_and_a_missing_controller_is_named() {
    let (folder, cgroup) = fake(&[("pids.max", "")]);
    cgroup.apply(&[Write::new("pids.max", "7"), Write::optional("no.such", "1")]).expect("works");
    assert_eq!(fs::read_to_string(folder.path().join("pids.max")).expect("it is there"), "7");
    let error = cgroup.apply(&[Write::new("memory.max", "1")]).expect_err("there is no file");
    let expected = "the cgroup has no memory.max, which 1 needs; is the controller enabled?";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn processes_below_count_too_and_foreign_ones_do_not() {
    let (folder, cgroup) = fake(&[("cgroup.procs", "5\n0\n6\n")]);
    fs::create_dir(folder.path().join("inner")).expect("it is made");
    fs::write(folder.path().join("inner/cgroup.procs"), "7\n").expect("it is written");
    assert_eq!(cgroup.processes().expect("they are listed"), [5, 6, 7]);
}
