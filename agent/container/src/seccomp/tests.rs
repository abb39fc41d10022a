//! Filters are run by a small machine here, as the kernel would.

use std::collections::BTreeMap;

use oci_spec::runtime::LinuxSeccomp;

use super::*;

/// Runs a program on a call.
fn run(program: &[libc::sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let word = |offset: u32| -> u32 {
        let half = |value: u64, upper: bool| {
            u32::try_from(if upper { value >> 32 } else { value & 0xffff_ffff }).expect("a half")
        };
        match offset {
            0 => number,
            4 => arch,
            offset => {
                let place = usize::try_from((offset - 16) / 8).expect("it is small");
                half(args[place], offset % 8 == 4)
            }
        }
    };
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let one = &program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { one.jt } else { one.jf });
        match u32::from(one.code) {
            0x20 => accumulator = word(one.k),
            0x54 => accumulator &= one.k,
            0x15 => at += jump(accumulator == one.k),
            0x25 => at += jump(accumulator > one.k),
            0x35 => at += jump(accumulator >= one.k),
            0x05 => at += usize::try_from(one.k).expect("it is small"),
            0x06 => return one.k,
            code => panic!("no such instruction {code:#x}"),
        }
    }
}

fn filter(json: &str) -> Filter {
    let spec: LinuxSeccomp = serde_json::from_str(json).expect("it is a filter");
    compile(&spec).expect("it compiles")
}

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;

#[cfg(target_arch = "x86_64")]
#[test]
fn actions_errnos_and_unknown_names() {
    let filter = filter(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","no_such_call_ever"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
        {"names":["rmdir"],"action":"SCMP_ACT_ERRNO"},
        {"names":["reboot"],"action":"SCMP_ACT_KILL_PROCESS"},
        {"names":["sync"],"action":"SCMP_ACT_LOG"},
        {"names":["swapon"],"action":"SCMP_ACT_TRACE","errnoRet":7},
        {"names":["swapoff"],"action":"SCMP_ACT_TRAP"},
        {"names":["rmdir"],"action":"SCMP_ACT_KILL"}]}"#,
    );
    let outcome = |number| run(&filter.program, X86_64, number, [0; 6]);
    assert_eq!(outcome(83), ERRNO | 38);
    assert_eq!(outcome(84), ERRNO | 1, "the first rule counts");
    assert_eq!(outcome(169), libc::SECCOMP_RET_KILL_PROCESS);
    assert_eq!(outcome(162), libc::SECCOMP_RET_LOG);
    assert_eq!(outcome(167), libc::SECCOMP_RET_TRACE | 7);
    assert_eq!(outcome(168), libc::SECCOMP_RET_TRAP);
    assert_eq!(outcome(82), ALLOW);
    assert_eq!(outcome(9999), ALLOW);
    assert_eq!(filter.flags, 4);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn other_ways_into_the_kernel_are_closed_unless_listed() {
    let json = |archs: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":[{archs}],
            "syscalls":[{{"names":["getpid","ioctl","socket"],"action":"SCMP_ACT_ALLOW"}}]}}"#
        )
    };
    let closed = filter(&json("")).program;
    assert_eq!(run(&closed, X86_64, 39, [0; 6]), ALLOW);
    assert_eq!(run(&closed, X86_64, 0x4000_0000 | 39, [0; 6]), KILL_THREAD);
    assert_eq!(run(&closed, X86, 20, [0; 6]), KILL_THREAD);
    assert_eq!(run(&closed, 0xc000_00b7, 172, [0; 6]), KILL_THREAD);
    let open = filter(&json(r#""SCMP_ARCH_X86","SCMP_ARCH_X32","SCMP_ARCH_S390X""#)).program;
    assert_eq!(run(&open, X86_64, 39, [0; 6]), ALLOW);
    assert_eq!(run(&open, X86_64, 0x4000_0000 | 39, [0; 6]), ALLOW);
    assert_eq!(run(&open, X86_64, 0x4000_0000 | 514, [0; 6]), ALLOW);
    assert_eq!(run(&open, X86_64, 0x4000_0000 | 16, [0; 6]), ERRNO | 1);
    assert_eq!(run(&open, X86, 20, [0; 6]), ALLOW);
    assert_eq!(run(&open, X86, 39, [0; 6]), ERRNO | 1);
    assert_eq!(run(&open, X86, 102, [1, 0, 0, 0, 0, 0]), ALLOW, "socketcall: socket");
    assert_eq!(run(&open, X86, 102, [2, 0, 0, 0, 0, 0]), ERRNO | 1, "socketcall: bind");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn newer_calls_do_not_exist_where_the_default_refuses() {
    let refusing = filter(
        r#"{"defaultAction":"SCMP_ACT_KILL","syscalls":[
        {"names":["read","openat2"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    assert_eq!(run(&refusing.program, X86_64, 437, [0; 6]), ALLOW);
    assert_eq!(run(&refusing.program, X86_64, 438, [0; 6]), NO_SUCH_CALL);
    assert_eq!(run(&refusing.program, X86_64, 436, [0; 6]), KILL_THREAD);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn every_comparison_of_64_bits() {
    let interesting = [
        0,
        1,
        4,
        5,
        6,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 4,
        (1 << 32) + 5,
        (5 << 32) + 5,
        u64::MAX,
    ];
    type Compare = fn(u64, u64) -> bool;
    let operators: BTreeMap<&str, Compare> = BTreeMap::from([
        ("SCMP_CMP_EQ", (|a, b| a == b) as Compare),
        ("SCMP_CMP_NE", |a, b| a != b),
        ("SCMP_CMP_LT", |a, b| a < b),
        ("SCMP_CMP_LE", |a, b| a <= b),
        ("SCMP_CMP_GT", |a, b| a > b),
        ("SCMP_CMP_GE", |a, b| a >= b),
    ]);
    let rule = |op: &str, value: u64, second: u64| {
        filter(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["ioctl"],
            "action":"SCMP_ACT_ERRNO","args":[
            {{"index":1,"value":{value},"valueTwo":{second},"op":"{op}"}}]}}]}}"#
        ))
        .program
    };
    for (op, holds) in operators {
        for value in interesting {
            let program = rule(op, value, 0);
            for argument in interesting {
                let expected = if holds(argument, value) { ERRNO | 1 } else { ALLOW };
                let found = run(&program, X86_64, 16, [9, argument, 9, 9, 9, 9]);
                assert_eq!(found, expected, "{argument} {op} {value}");
            }
        }
    }
    for (mask, rest) in [(0xff, 4), (0xf_0000_0000, 1 << 32), (u64::MAX, 5), (0, 0)] {
        let program = rule("SCMP_CMP_MASKED_EQ", mask, rest);
        for argument in interesting {
            let expected = if argument & mask == rest { ERRNO | 1 } else { ALLOW };
            let found = run(&program, X86_64, 16, [9, argument, 9, 9, 9, 9]);
            assert_eq!(found, expected, "{argument} & {mask}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn conditions_of_a_rule_all_hold_and_rules_are_alternatives() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"args":[
          {"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_EQ"}]},
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":2,"args":[
          {"index":0,"value":40,"op":"SCMP_CMP_EQ"},{"index":0,"value":41,"op":"SCMP_CMP_EQ"}]}]}"#,
    )
    .program;
    let socket = |domain, protocol| run(&program, X86_64, 41, [domain, 0, protocol, 0, 0, 0]);
    assert_eq!(socket(16, 9), ERRNO | 1);
    assert_eq!(socket(16, 8), ALLOW);
    assert_eq!(socket(40, 9), ERRNO | 2, "two on one argument are alternatives");
    assert_eq!(socket(41, 9), ERRNO | 2);
}

#[test]
fn what_can_not_be_is_refused() {
    for json in [
        r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":65536}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/x"}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],
            "action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
    ] {
        let spec: LinuxSeccomp = serde_json::from_str(json).expect("it is a filter");
        assert!(compile(&spec).is_err(), "{json}");
    }
}
