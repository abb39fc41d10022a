//! What a program must not inherit from the runtime, and what it begins with.

use serde_json::json;

use crate::case::Case;
use crate::runtimes::{BOTH, Which};

fn args(args: &[&str]) -> Case {
    Case::sh("").set("/process/args", json!(args))
}

#[test]
fn descriptors() {
    args(&["ls", "/proc/self/fd"]).shows(&["0\n1\n2\n3\n"]);
    // One that the runtime has got itself, and that is not to be closed at exec.
    let file = std::fs::File::open("/etc/passwd").unwrap();
    // SAFETY: the number is above all that a test has open.
    let copy = unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), 77) };
    assert_eq!(copy, 77);
    args(&["ls", "/proc/self/fd"]).shows(&["0\n1\n2\n3\n"]);
}

#[test]
fn signals() {
    let case = args(&["grep", "-E", "^Sig[BIC]", "/proc/self/status"]);
    let clean = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n\
        SigCgt:\t0000000000000000\n";
    // runc leaves what its own starter ignores, and so does whoever has started the test.
    let inherited = std::fs::read_to_string("/proc/self/status").unwrap();
    let inherited = inherited.lines().find(|line| line.starts_with("SigIgn:")).unwrap();
    let inherited = u64::from_str_radix(&inherited[8..], 16).unwrap() & !(1 << 12);
    let theirs = clean.replace("SigIgn:\t0000000000000000", &format!("SigIgn:\t{inherited:016x}"));
    assert_eq!(case.run(Which::Runc).output, theirs);
    assert_eq!(case.run(Which::Ours).output, clean);
}

#[test]
fn a_broken_pipe_ends_a_writer() {
    // With the signal ignored it would see an error instead, and say so.
    Case::sh("(yes; echo $? > /dev/stderr) | head -n1; true").shows(&["y\n"]);
    args(&["sh", "-c", "exec 2>&1; yes | true; yes | head -n1"]).shows(&["y\n"]);
}

#[test]
fn session_and_group() {
    // Number, state, parent, group, session, terminal, its foreground group.
    args(&["sh", "-c", "cut -d' ' -f4-8 /proc/1/stat; true"]).shows(&["0 1 1 0 -1\n"]);
}

#[test]
fn the_rest_of_the_status() {
    let fields = "^(Umask|Tgid|Ngid|Pid|PPid|TracerPid|Uid|Gid|Groups|NS.*|Kthread|Threads|Cap.*|\
        NoNewPrivs|Seccomp.*|Speculation.*|THP_enabled|x86.*|CoreDumping|Mems_allowed|Cpus_allowed):";
    args(&["grep", "-E", fields, "/proc/self/status"])
        .shows(&["Pid:\t1\nPPid:\t0\n", "NSpid:\t1\n"]);
    args(&[
        "sh",
        "-c",
        "cat /proc/1/coredump_filter /proc/1/oom_score_adj; nice; \
        stat -c %u /proc/1/mem; cat /proc/1/personality; true",
    ])
    .shows(&["00000033\n0\n0\n00000000\n"]);
}

#[test]
fn keys() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    // All keys that root may see are listed; only the test's last container counts, since
    // the kernel clears away others in its own time.
    let own = format!("_ses.{}", crate::runtimes::prefix());
    let last = move |text: &str| {
        let number = |line: &&str| line.split(&own).nth(1).map(|rest| rest.replace(": empty", ""));
        let mine = text.lines().filter(|line| line.contains(&own));
        let last = mine.max_by_key(|line| number(line).unwrap().parse::<u32>().unwrap());
        let fields: Vec<&str> = last.unwrap_or_default().split_whitespace().collect();
        fields.get(4..8).map(|fields| fields.join(" ")).unwrap_or_default()
    };
    let case = || args(&["cat", "/proc/keys"]).remove("/linux/maskedPaths");
    case().normal(last.clone()).shows(&["3f1b0000 0 0 keyring"]);
    case()
        .normal(last)
        .with(|rootfs| crate::bundle::give(rootfs, 100_000))
        .set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .shows(&["keyring"]);
}

#[test]
fn no_process_of_the_runtime_is_seen() {
    // The shell looks itself, so it is the only one.
    let script = "for p in /proc/[0-9]* /proc/1/task/*; do read comm < $p/comm; echo $comm; done";
    Case::sh(script).shows(&["sh\nsh\n"]);
}

#[test]
fn nothing_is_left_of_a_container() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    for which in BOTH {
        let case = Case::sh("sleep 1000 & sleep 1000 & mkdir /tmp/x; echo done").writable();
        let seen = case.run(which);
        assert_eq!((seen.code, seen.output.as_str()), (0, "done\n"), "{which:?}: {seen:?}");
        let folder = case.folder().to_str().unwrap().to_owned();
        assert!(!mounts().contains(&folder), "{which:?}");
    }
    let ids = crate::runtimes::prefix();
    let left: Vec<_> = std::fs::read_dir(crate::runtimes::CGROUPS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&ids))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_children_of_a_shared_pid_namespace_end_with_the_container() {
    let namespaces = json!([{"type": "mount"}, {"type": "uts"}, {"type": "ipc"}]);
    // Its file is held by a process that nobody waits for.
    for which in BOTH {
        let case = Case::sh("sleep 98765 > /dev/null 2>&1 & echo $!")
            .set("/linux/namespaces", namespaces.clone());
        let seen = case.run(which);
        let pid: i32 = seen.output.trim().parse().unwrap_or_else(|_| panic!("{seen:?}"));
        let path = format!("/proc/{pid}/cmdline");
        let until = std::time::Instant::now() + crate::runtimes::PATIENCE;
        let runs = || std::fs::read_to_string(&path).is_ok_and(|line| line.contains("98765"));
        while runs() {
            assert!(std::time::Instant::now() < until, "{which:?}: {pid} still runs");
            std::thread::yield_now();
        }
    }
}
