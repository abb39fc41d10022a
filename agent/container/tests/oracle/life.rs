//! A container's life: further programs, signals, standing still, and its states.

use serde_json::{Value, json};

use crate::case::{Case, Seen};
use crate::runtimes::{BOTH, Which};
use crate::story::{Story, begin, create};

/// Tells the same story of both and compares what is told.
fn same(case: &Case, expected: &[&str], tell: impl Fn(&mut dyn Story) -> String) {
    let told = BOTH.map(|which| {
        let mut story = begin(case, which);
        let told = tell(&mut *story);
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
        case.normalised(&told)
    });
    for text in expected {
        assert!(told[0].contains(text), "runc tells no {text:?}:\n{}", told[0]);
    }
    assert_eq!(told[1], told[0], "ours and runc's");
}

/// A container that waits for its end.
fn waiting() -> Case {
    Case::sh("trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done")
}

fn process(script: &str) -> Value {
    json!({
        "terminal": false,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh", "-c", format!("exec 2>&1; {script}")],
        "env": ["PATH=/bin", "X=1"],
        "cwd": "/"
    })
}

fn with(script: &str, changes: &[(&str, Value)]) -> Value {
    let mut process = process(script);
    for (pointer, value) in changes {
        crate::bundle::set(&mut process, pointer, value.clone());
    }
    process
}

/// Runs a further program in both and compares what it shows.
fn exec(case: &Case, process: &Value, expected: &[&str]) {
    same(case, expected, |story| {
        assert_eq!(story.line().trim(), "ready");
        match story.exec(process) {
            Ok(Seen { code, output, .. }) => format!("{output}code {code}\n"),
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn a_further_program_is_in_the_container() {
    let script = "for n in cgroup ipc mnt net pid user uts; do \
        test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) && echo $n; done; \
        hostname; cat /proc/1/comm; ls -d /work; exit 7";
    let case = waiting().capable(&["CAP_SYS_PTRACE"]);
    exec(&case, &process(script), &["ipc\nmnt\nnet\npid\nuser\nuts\noracle\nsh\n/work\ncode 7\n"]);
}

#[test]
fn a_further_program_begins_like_the_first() {
    let script = "env | sort; pwd; id; umask; ls /proc/self/fd; cut -d' ' -f5-8 /proc/$$/stat; \
        grep -E '^(Cap|NoNew|Seccomp|Sig[BIC]|Groups|Uid)' /proc/$$/status; cat /proc/self/limits";
    let ids = |text: &str| {
        // Its number, group and session.
        let line = |line: &str| match line.ends_with(" 0 -1") {
            true => "ids 0 -1\n".to_owned(),
            false if line.starts_with("SigIgn") => "SigIgn\n".to_owned(),
            false => format!("{line}\n"),
        };
        text.lines().map(line).collect::<String>()
    };
    exec(
        &waiting().normal(ids),
        &with(
            script,
            &[
                ("/noNewPrivileges", json!(true)),
                ("/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}])),
            ],
        ),
        &["HOME=/root\nPATH=/bin\n", "uid=0(root)", "0022\n0\n1\n2\n3\n", "ids 0 -1\n"],
    );
}

#[test]
fn a_further_program_with_its_own_user_folder_and_rights() {
    let script = "pwd; id; echo $HOME; grep -E '^(Cap|NoNew)' /proc/self/status; umask";
    exec(
        &waiting(),
        &with(
            script,
            &[
                ("/cwd", json!("/home/web")),
                ("/user", json!({"uid": 33, "gid": 34, "additionalGids": [29]})),
                (
                    "/capabilities",
                    json!({"bounding": ["CAP_KILL", "CAP_CHOWN"],
                    "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
                    "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}),
                ),
                ("/noNewPrivileges", json!(true)),
            ],
        ),
        &["/home/web\nuid=33(web) gid=34(www) groups=29(audio)", "CapEff:\t0000000000000020\n"],
    );
}

#[test]
fn a_further_program_has_limits() {
    // Not of open files: runc's own runtime raises that one to the hard limit when it starts,
    // now and then after it has been set.
    let limits = json!([{"type": "RLIMIT_FSIZE", "soft": 50, "hard": 60}]);
    let script = "grep 'file size' /proc/self/limits";
    exec(&waiting(), &with(script, &[("/rlimits", limits)]), &["50                   60 "]);
}

#[test]
fn a_further_programs_score() {
    // runc does not read it; a pod's runtime sends it with every process.
    let case = waiting();
    let mut story = begin(&case, Which::Ours);
    let process = with("cat /proc/self/oom_score_adj", &[("/oomScoreAdj", json!(300))]);
    assert_eq!(story.exec(&process).expect("it runs").output, "300\n");
}

#[test]
fn a_further_programs_umask() {
    // It has the usual one, whatever the container's is.
    let case = waiting().set("/process/user", json!({"uid": 0, "gid": 0, "umask": 0o27}));
    exec(&case, &process("umask"), &["0022\n"]);
    // One of its own counts with us, and not with this runc.
    let user = json!({"uid": 0, "gid": 0, "umask": 0o77});
    let mut story = begin(&case, Which::Ours);
    let seen = story.exec(&with("umask", &[("/user", user)])).expect("it runs");
    assert_eq!(seen.output, "0077\n");
}

#[test]
fn a_further_program_is_no_freer_than_the_first() {
    // What its spec leaves out is the container's with us; runc lets it have new
    // privileges, and the limits of whoever has started it. Capabilities are alike.
    let case = waiting();
    let script =
        "grep -E 'CapBnd|NoNew' /proc/self/status; grep -o 'files  *[0-9][0-9]*' /proc/self/limits";
    let told =
        BOTH.map(|which| begin(&case, which).exec(&process(script)).expect("it runs").output);
    assert!(told[0].starts_with("CapBnd:\t0000000020000420\nNoNewPrivs:\t0\n"), "{}", told[0]);
    let ours = "CapBnd:\t0000000020000420\nNoNewPrivs:\t1\nfiles            1024\n";
    assert_eq!(told[1], ours);
}

#[test]
fn a_further_program_is_filtered() {
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]});
    let case = waiting().writable().set("/linux/seccomp", filter);
    let script = "mkdir /tmp/x; grep Seccomp /proc/self/status";
    exec(&case, &process(script), &["No space left", "Seccomp:\t2\n"]);
    exec(&case, &with(script, &[("/noNewPrivileges", json!(true))]), &["No space left"]);
}

#[test]
fn a_further_program_in_a_user_namespace() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let case = waiting()
        .with(|rootfs| crate::bundle::give(rootfs, 100_000))
        .set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    let script = "id; cat /proc/self/uid_map; grep Cap /proc/self/status; stat -c %u /proc/1 /bin";
    exec(&case, &process(script), &["uid=0(root) gid=0(root)", "100000"]);
    let user = json!({"uid": 33, "gid": 34, "additionalGids": [29]});
    exec(&case, &with(script, &[("/user", user)]), &["uid=33(web) gid=34(www) groups=29"]);
}

#[test]
fn a_further_programs_output_and_errors_are_apart() {
    for which in BOTH {
        let case = waiting();
        let mut story = begin(&case, which);
        let mut process = process("");
        crate::bundle::set(&mut process, "/args/2", json!("echo out; echo err >&2; exit 9"));
        let seen = story.exec(&process).expect("it runs");
        let expected = Seen { code: 9, output: "out\n".into(), errors: "err\n".into() };
        assert_eq!(seen, expected, "{which:?}");
    }
}

#[test]
fn a_further_program_that_is_killed() {
    exec(&waiting(), &process("kill -KILL $$"), &["code 137\n"]);
    exec(&waiting(), &process("kill -TERM $$; echo on"), &["code 143\n"]);
}

#[test]
fn what_is_no_further_program() {
    let case = waiting();
    for (process, theirs, ours) in [
        (
            with("", &[("/args", json!(["nothing"]))]),
            "not found in $PATH",
            "can't find the program",
        ),
        (with("", &[("/args", json!([]))]), "args", "names no program"),
        (with("", &[("/cwd", json!("/nowhere"))]), "no such file", "can't enter the folder"),
        (with("", &[("/cwd", json!("x"))]), "level=error", "must be an absolute"),
        (with("", &[("/args", json!(["/etc/passwd"]))]), "permission denied", "permission denied"),
    ] {
        for (which, reason) in [(Which::Runc, theirs), (Which::Ours, ours)] {
            let mut story = begin(&case, which);
            assert_eq!(story.line(), "ready\n");
            let error = story.exec(&process).expect_err("it can't run");
            assert!(error.contains(reason), "{which:?}: {error}");
            assert_eq!(story.status(), "running", "{which:?}: the container goes on");
        }
    }
}

#[test]
fn states() {
    for which in BOTH {
        let case = waiting();
        let mut story = create(&case, which).expect("it is made");
        assert_eq!(story.status(), "created", "{which:?}");
        // A program may run before the first one does.
        let seen = story.exec(&process("echo early")).expect("it runs");
        assert_eq!(seen.output, "early\n", "{which:?}");
        story.start().expect("it starts");
        assert_eq!(story.line(), "ready\n");
        assert_eq!(story.status(), "running", "{which:?}");
        assert!(story.start().is_err(), "{which:?}: it runs already");
        story.signal(libc::SIGTERM, false).expect("it is sent");
        assert_eq!(story.wait(), 3, "{which:?}");
        assert_eq!(story.status(), "stopped", "{which:?}");
        assert!(story.exec(&process("echo late")).is_err(), "{which:?}: it has ended");
        assert!(story.pause().is_err(), "{which:?}: it has ended");
        assert!(story.start().is_err(), "{which:?}: it has ended");
        story.delete().expect("it goes");
    }
}

#[test]
fn one_that_was_never_started_goes() {
    for which in BOTH {
        let case = waiting();
        let mut story = create(&case, which).expect("it is made");
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
    }
}

#[test]
fn signals_to_the_first_process() {
    same(&waiting(), &["143 3"], |story| {
        assert_eq!(story.line(), "ready\n");
        // Without a handler number 1 takes no notice.
        story.signal(libc::SIGUSR1, false).expect("it is sent");
        let seen = story.exec(&process("kill -TERM $$")).expect("it runs");
        story.signal(libc::SIGTERM, false).expect("it is sent");
        format!("{} {}", seen.code, story.wait())
    });
    same(&Case::sh("echo ready; while :; do sleep 1000; done"), &["137"], |story| {
        assert_eq!(story.line(), "ready\n");
        story.signal(libc::SIGTERM, false).expect("it is sent");
        assert_eq!(story.status(), "running");
        story.signal(libc::SIGKILL, false).expect("it is sent");
        story.wait().to_string()
    });
}

#[test]
fn signals_to_all() {
    let script = "sh -c 'trap \"echo inner; exit 4\" USR1; echo ready; while :; do sleep 1000 & wait $!; done' & \
        trap 'echo outer' USR1; wait $!; wait $!; echo code $?";
    same(&Case::sh(script), &["inner\nouter\ncode 4\n"], |story| {
        assert_eq!(story.line(), "ready\n");
        story.signal(libc::SIGUSR1, true).expect("it is sent");
        let code = story.wait();
        let mut lines: Vec<String> = story
            .output()
            .rest()
            .lines()
            .filter(|line| !line.contains("User"))
            .map(|line| format!("{line}\n"))
            .collect();
        lines.sort_by_key(|line| line.starts_with("code"));
        lines[..2].sort();
        format!("{}{code}", lines.concat())
    });
}

#[test]
fn all_are_killed() {
    let script = "sleep 1000 & sleep 1000 & echo ready; while :; do sleep 1000; done";
    same(&Case::sh(script), &["137"], |story| {
        assert_eq!(story.line(), "ready\n");
        story.signal(libc::SIGKILL, true).expect("it is sent");
        story.wait().to_string()
    });
}

#[test]
fn standing_still() {
    let script = "trap 'echo woken; exit 5' USR1; echo ready; while :; do sleep 1000 & wait; done";
    for which in BOTH {
        let case = Case::sh(script);
        let mut story = begin(&case, which);
        assert_eq!(story.line(), "ready\n");
        assert!(story.resume().is_err(), "{which:?}: it is not paused");
        story.pause().unwrap_or_else(|error| panic!("{which:?}: {error}"));
        assert_eq!(story.status(), "paused", "{which:?}");
        story.signal(libc::SIGUSR1, false).expect("it is sent");
        assert_eq!(story.status(), "paused", "{which:?}");
        assert!(story.exec(&process("echo x")).is_err(), "{which:?}: it stands still");
        story.resume().unwrap_or_else(|error| panic!("{which:?}: {error}"));
        assert_eq!(story.line(), "woken\n", "{which:?}");
        assert_eq!(story.wait(), 5, "{which:?}");
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
    }
}

#[test]
fn one_that_stands_still_goes() {
    for which in BOTH {
        let case = waiting();
        let mut story = begin(&case, which);
        assert_eq!(story.line(), "ready\n");
        story.pause().unwrap_or_else(|error| panic!("{which:?}: {error}"));
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
    }
}
