//! Limits of processes: those of the kernel's list, the OOM score, and the umask.

use serde_json::{Value, json};

use crate::case::Case;

fn limit(kind: &str, soft: u64, hard: u64) -> Value {
    json!({"type": kind, "soft": soft, "hard": hard})
}

#[test]
fn the_default_ones() {
    Case::sh("cat /proc/self/limits")
        .shows(&["Max open files            1024                 1024"]);
    // Without any, what the runtime has itself.
    Case::sh("cat /proc/self/limits").set("/process/rlimits", json!([])).shows(&["Max open files"]);
}

#[test]
fn all_of_them() {
    let all = json!([
        limit("RLIMIT_CPU", 1000, 2000),
        limit("RLIMIT_FSIZE", 1 << 30, 1 << 31),
        limit("RLIMIT_DATA", 1 << 30, 1 << 40),
        limit("RLIMIT_STACK", 1 << 20, 1 << 24),
        limit("RLIMIT_CORE", 0, 1000),
        limit("RLIMIT_RSS", 1 << 30, 1 << 31),
        limit("RLIMIT_NPROC", 1000, 2000),
        limit("RLIMIT_NOFILE", 100, 200),
        limit("RLIMIT_MEMLOCK", 0, 4096),
        limit("RLIMIT_AS", 1 << 33, 1 << 34),
        limit("RLIMIT_LOCKS", 10, 20),
        limit("RLIMIT_SIGPENDING", 30, 40),
        limit("RLIMIT_MSGQUEUE", 50, 60),
        limit("RLIMIT_NICE", 0, 0),
        limit("RLIMIT_RTPRIO", 0, 0),
        limit("RLIMIT_RTTIME", 70, 80)
    ]);
    Case::sh("cat /proc/self/limits").set("/process/rlimits", all.clone()).shows(&[
        "Max cpu time              1000                 2000",
        "Max realtime timeout      70                   80",
    ]);
    Case::sh("cat /proc/self/limits")
        .set("/process/rlimits", all)
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["Max open files            100                  200"]);
}

#[test]
fn unlimited_is_the_largest_number() {
    Case::sh("cat /proc/self/limits")
        .set("/process/rlimits", json!([limit("RLIMIT_CPU", u64::MAX, u64::MAX)]))
        .shows(&["Max cpu time              unlimited            unlimited"]);
}

#[test]
fn a_limit_is_more_than_a_number() {
    let script = "dd if=/dev/zero of=/tmp/x bs=1k count=20 2>&1 | tail -n1; wc -c < /tmp/x";
    Case::sh(script)
        .writable()
        .set("/process/rlimits", json!([limit("RLIMIT_FSIZE", 8192, 8192)]))
        .shows(&["8192\n"]);
}

#[test]
fn what_can_not_be_fails_both() {
    let case = |limits: Value| Case::sh("echo ran").set("/process/rlimits", limits);
    case(json!([limit("RLIMIT_DREAM", 1, 1)])).is_refused("wrong rlimit value", "serde failed");
    case(json!([limit("RLIMIT_NOFILE", 20, 10)])).is_refused("level=error", "above the hard one");
    // The spec forbids doubles; this runc takes the last.
    case(json!([limit("RLIMIT_NOFILE", 10, 10), limit("RLIMIT_NOFILE", 20, 20)]))
        .is_refused_by_us("is there twice");
}

#[test]
fn the_oom_score() {
    for score in [0, 1, 500, 1000] {
        Case::sh("cat /proc/self/oom_score_adj")
            .set("/process/oomScoreAdj", json!(score))
            .shows(&[&format!("{score}\n")]);
    }
    Case::sh("cat /proc/self/oom_score_adj").shows(&["0\n"]);
    let case = Case::sh("echo ran").set("/process/oomScoreAdj", json!(1001));
    case.is_refused("level=error", "between -1000 and 1000");
}

#[test]
fn the_umask() {
    let script = "umask; touch /tmp/a; mkdir /tmp/b; stat -c %a /tmp/a /tmp/b";
    Case::sh(script).writable().shows(&["0022\n644\n755\n"]);
    for (mask, shown) in [(0, "0000\n666\n777\n"), (0o77, "0077\n600\n700\n"), (0o27, "0027\n")] {
        Case::sh(script)
            .writable()
            .set("/process/user", json!({"uid": 0, "gid": 0, "umask": mask}))
            .shows(&[shown]);
    }
}

#[test]
fn the_umask_is_not_for_what_the_runtime_makes() {
    let case = Case::sh("stat -c '%n %a' /new /new/deep /dev/null /dev/x /dev/pts")
        .set("/process/user", json!({"uid": 0, "gid": 0, "umask": 0o777}))
        .set(
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": 1, "minor": 3,
            "fileMode": 0o662}]),
        );
    case.mount("/new/deep", "tmpfs", "tmpfs", &["mode=722"])
        .shows(&["/new 755\n/new/deep 722\n/dev/null 666\n/dev/x 662\n"]);
}
