//! Seccomp filters by their effects: which calls fail, and with which error.

use serde_json::{Value, json};

use crate::case::Case;
use crate::runtimes::Which;

const STATUS: &str = "grep -E '^(Seccomp|Speculation)' /proc/self/status; ";

/// A filter that allows all but what `rules` say.
fn but(rules: &Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules})
}

fn filtered(script: &str, filter: &Value) -> Case {
    Case::sh(script).writable().set("/linux/seccomp", filter.clone())
}

#[test]
fn calls_fail_with_an_error() {
    let filter = but(&json!([
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["symlink", "symlinkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {"names": ["rmdir", "unlinkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}
    ]));
    let script = "mkdir /tmp/a; chmod 700 /tmp; ln -s a /tmp/b; rmdir /work && ls -d /work; \
        touch /tmp/c && ls /tmp";
    let script = format!("{STATUS}{script}");
    filtered(&script, &filter).shows(&[
        "Seccomp:\t2\nSeccomp_filters:\t1\n",
        "'/tmp/a': Operation not permitted",
        "/tmp: Function not implemented",
        "/tmp/b: No space left on device",
        "/work\nc\n",
    ]);
    // Also without "no new privileges", where the filter comes earlier.
    filtered(&script, &filter)
        .set("/process/noNewPrivileges", json!(false))
        .shows(&["'/tmp/a': Operation not permitted"]);
}

#[test]
fn another_user_is_filtered_too() {
    let filter = but(&json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]));
    for no_new in [true, false] {
        filtered(&format!("{STATUS}id -u; mkdir /tmp/a"), &filter)
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/noNewPrivileges", json!(no_new))
            .shows(&["1000\n", "Operation not permitted"]);
    }
}

#[test]
fn actions_that_end_the_program() {
    for action in
        ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]
    {
        let filter = but(&json!([{"names": ["mkdir", "mkdirat"], "action": action}]));
        filtered("(mkdir /tmp/a); echo $?; ls /tmp", &filter).shows(&["159\n"]);
        filtered("exec mkdir /tmp/a", &filter).ends_with(159, &[]);
    }
}

#[test]
fn actions_that_need_a_partner() {
    let rule = |action: &str| but(&json!([{"names": ["mkdir", "mkdirat"], "action": action}]));
    filtered("mkdir /tmp/a; ls /tmp", &rule("SCMP_ACT_LOG")).shows(&["a\n"]);
    filtered("mkdir /tmp/a; ls /tmp", &rule("SCMP_ACT_TRACE")).shows(&["not implemented"]);
    filtered("echo ran", &rule("SCMP_ACT_NOTIFY")).is_refused("listenerPath", "SCMP_ACT_NOTIFY");
    filtered("echo ran", &rule("SCMP_ACT_DREAM")).is_refused("SCMP_ACT_DREAM", "serde failed");
}

#[test]
fn conditions_on_arguments() {
    // linux32 asks for personality 8, linux64 for 0.
    let script = "linux32 echo 32; linux64 echo 64; setarch --help > /dev/null 2>&1; true";
    for (op, value, two) in [
        ("SCMP_CMP_EQ", 8_u64, 0_u64),
        ("SCMP_CMP_NE", 8, 0),
        ("SCMP_CMP_GE", 8, 0),
        ("SCMP_CMP_GT", 7, 0),
        ("SCMP_CMP_LE", 7, 0),
        ("SCMP_CMP_LT", 8, 0),
        ("SCMP_CMP_LT", 1 << 32, 0),
        ("SCMP_CMP_GT", 1 << 32, 0),
        ("SCMP_CMP_MASKED_EQ", 0xff, 8),
        ("SCMP_CMP_MASKED_EQ", 8, 0),
        ("SCMP_CMP_MASKED_EQ", 0xffff_ffff_0000_0000, 0),
        ("SCMP_CMP_EQ", 0x1_0000_0008, 0),
    ] {
        let filter = but(&json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO",
            "errnoRet": 22, "args": [{"index": 0, "value": value, "valueTwo": two, "op": op}]}]));
        let seen = filtered(script, &filter).run(Which::Runc);
        let lines = seen.output.lines().count();
        assert_eq!(lines, 2, "{op} {value}: {seen:?}");
        filtered(script, &filter).shows(&[if seen.output.contains("32\n") {
            "32\n"
        } else {
            "rgument"
        }]);
    }
}

#[test]
fn several_conditions() {
    // Both must hold when they are on different arguments; on the same one any will do.
    let script = "(for s in USR1 USR2 HUP; do kill -$s 1; sleep 1000 & kill -$s $!; echo $s $?; \
        kill -KILL $! 2>/dev/null; done) 2>&1 | sed 's/[0-9][0-9]* *:/N:/; s/pid [2-9][0-9]*/pid N/'";
    let arg = |index: u32, value: u32| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    for args in [
        json!([arg(0, 1), arg(1, 10)]),
        json!([arg(1, 10), arg(1, 1)]),
        json!([arg(1, 1)]),
        json!([{"index": 1, "value": 10, "op": "SCMP_CMP_GE"}, arg(0, 1)]),
    ] {
        let filter = but(&json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args}]));
        filtered(script, &filter).shows(&["sh: can't kill pid"]);
    }
}

#[test]
fn several_rules_for_one_call() {
    let arg = |value: u32| json!([{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]);
    let rule = |errno: u32, value: u32| {
        json!({"names": ["personality"], "errnoRet": errno,
        "action": "SCMP_ACT_ERRNO", "args": arg(value)})
    };
    let script = "linux32 echo 32; linux64 echo 64";
    let filter = but(&json!([rule(22, 8), rule(38, 0)]));
    filtered(script, &filter).shows(&["Invalid argument", "Function not implemented"]);
    // One without conditions outranks the others, wherever it stands.
    let always = json!({"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28});
    for rules in [json!([rule(22, 8), always]), json!([always, rule(22, 8)])] {
        filtered(script, &but(&rules)).shows(&["No space left"]);
    }
}

/// Calls that Docker's profile allows, as far as a shell with busybox needs them, and
/// then some.
const ALLOWED: &str = "access adjtimex alarm arch_prctl bind brk capget capset chdir chmod chown \
    clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup \
    dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd eventfd2 execve \
    execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchown \
    fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs \
    fsync ftruncate futex getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups \
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid \
    getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid \
    gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl \
    ioprio_get ioprio_set kill lchown lgetxattr link linkat listen listxattr llistxattr \
    lremovexattr lseek lsetxattr lstat madvise membarrier memfd_create mincore mkdir mkdirat mknod \
    mknodat mlock mlock2 mlockall mmap mprotect mremap msgctl msgget msgrcv msgsnd msync munlock \
    munlockall munmap nanosleep newfstatat open openat openat2 pause pipe pipe2 poll ppoll prctl \
    pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead readlink \
    readlinkat readv recvfrom recvmmsg recvmsg removexattr rename renameat renameat2 \
    restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
    rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_getparam sched_getscheduler \
    sched_setaffinity sched_yield seccomp select semctl semget semop sendfile sendmmsg sendmsg \
    sendto setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid \
    setresuid setreuid setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address \
    setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair \
    splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time \
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create \
    timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime \
    utimensat utimes vfork wait4 waitid waitpid write writev futex_waitv _llseek chown32 stat64";

fn docker_like() -> Value {
    let names: Vec<&str> = ALLOWED.split_whitespace().collect();
    let persona = |value: u32| {
        json!({"names": ["personality"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]})
    };
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_ALLOW"},
            persona(0),
            persona(0xffff_ffff),
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 0x7e02_0000, "valueTwo": 0,
                    "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
        ]
    })
}

#[test]
fn a_list_of_what_is_allowed() {
    let script = format!(
        "{STATUS}mkdir /tmp/a && ls /tmp; mount -t tmpfs x /tmp; unshare -n true; chroot / true; \
        linux32 true; linux64 echo 64; ip -o link | wc -l; swapoff /x; hostname new; \
        sleep 0 & wait $!; echo $?"
    );
    filtered(&script, &docker_like()).capable(&["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]).shows(&[
        "a\n",
        "permission denied (are you root?)",
        "unshare(0x40000000): Operation not permitted",
        "can't change root directory to '/': Operation not permitted",
        "64\n",
    ]);
}

#[test]
fn a_list_for_another_user() {
    for no_new in [true, false] {
        filtered("id -u; mkdir /tmp/a && ls /tmp; chroot / true", &docker_like())
            .set("/process/noNewPrivileges", json!(no_new))
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .shows(&["1000\na\n", "Operation not permitted"]);
    }
}

#[test]
fn other_defaults() {
    let names: Vec<&str> =
        ALLOWED.split_whitespace().filter(|name| !name.starts_with("mkdir")).collect();
    let allow = json!([{"names": names, "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW"}]);
    for (action, errno, shown) in [
        ("SCMP_ACT_ERRNO", json!(38), "not implemented"),
        ("SCMP_ACT_ERRNO", json!(28), "No space"),
        ("SCMP_ACT_KILL", Value::Null, "159"),
        ("SCMP_ACT_KILL_PROCESS", Value::Null, "159"),
        ("SCMP_ACT_TRAP", Value::Null, "159"),
        ("SCMP_ACT_LOG", Value::Null, "0\n"),
    ] {
        let mut filter = json!({"defaultAction": action, "syscalls": allow});
        if !errno.is_null() {
            crate::bundle::set(&mut filter, "/defaultErrnoRet", errno);
        }
        filtered("(mkdir /tmp/a); echo $?", &filter).shows(&[shown]);
    }
}

#[test]
fn names_that_nobody_knows() {
    let filter = but(&json!([{"names": ["no_such_call", "mkdir"], "action": "SCMP_ACT_ERRNO"}]));
    filtered("mkdir /tmp/a; echo on", &filter).shows(&["Operation not permitted", "on\n"]);
}

#[test]
fn sets_of_other_machines() {
    // runc's library can't mix the two orders of bytes; calls of such a set can't be made
    // here at all, so we pass it over.
    let rule = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
    let mut filter = but(&rule);
    let sets = json!(["SCMP_ARCH_S390X", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X86_64"]);
    crate::bundle::set(&mut filter, "/architectures", sets);
    let ours = filtered("mkdir /tmp/a; echo on", &filter).run(Which::Ours);
    assert!(ours.output.ends_with("Operation not permitted\non\n"), "{ours:?}");
}

#[test]
fn flags() {
    // This runc takes none, newer ones do.
    for flags in
        [json!([]), json!(["SECCOMP_FILTER_FLAG_LOG"]), json!(["SECCOMP_FILTER_FLAG_TSYNC"])]
    {
        let mut filter = but(&json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]));
        crate::bundle::set(&mut filter, "/flags", flags);
        let ours = filtered("mkdir /tmp/a; echo on", &filter).run(Which::Ours);
        assert!(ours.output.ends_with("Operation not permitted\non\n"), "{ours:?}");
    }
}
