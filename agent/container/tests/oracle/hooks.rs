//! Hooks: when each runs, where, with what on its input, and what its failure means.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::runtimes::{BOTH, Which};
use crate::story::{begin, create};

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook that runs a script with the host's shell, or in the container with busybox's:
/// both are at this path.
fn hook(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script],
        "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]})
}

/// A container whose hooks and whose program write to one file, which is a bind mount
/// within the container, at the same path.
fn writing(script: &str, hooks: &dyn Fn(&str, &str) -> Value) -> Case {
    let case = Case::sh("");
    let log = case.path("log");
    let mut all = json!({});
    for kind in KINDS {
        crate::bundle::set(&mut all, &format!("/{kind}"), json!([hooks(kind, &log)]));
    }
    case.set("/process/args/2", json!(script.replace("LOG", &log))).set("/hooks", all).mount(
        &log,
        "bind",
        &log,
        &["bind"],
    )
}

/// Runs it in both and returns what was written.
fn written(case: &Case) -> [String; 2] {
    BOTH.map(|which| {
        let log = case.path("log");
        fs::write(&log, "").unwrap();
        let seen = case.run(which);
        assert_eq!(seen.code, 0, "{which:?}: {seen:?}");
        fs::read_to_string(log).unwrap()
    })
}

#[test]
fn their_order() {
    let case = writing("echo program >> LOG", &|kind, log| hook(&format!("echo {kind} >> {log}")));
    let [theirs, ours] = written(&case);
    let early = "prestart\ncreateRuntime\ncreateContainer\n";
    // runc runs the poststart hooks while it still makes the container, which the spec
    // does not say.
    assert_eq!(theirs, format!("{early}poststart\nstartContainer\nprogram\npoststop\n"));
    let middle = ours.strip_prefix(&format!("{early}startContainer\n")).expect("the same");
    let middle = middle.strip_suffix("poststop\n").expect("the last");
    // These two run at once.
    assert!(["poststart\nprogram\n", "program\npoststart\n"].contains(&middle), "{ours}");
}

#[test]
fn several_of_a_kind_run_in_their_order() {
    let case = writing("true", &|_, _| hook("true"));
    let log = case.path("log");
    let list: Value = (0..4).map(|n| hook(&format!("echo {n} >> {log}"))).collect();
    let case = case.set("/hooks/createRuntime", list.clone()).set("/hooks/startContainer", list);
    let [theirs, ours] = written(&case);
    assert_eq!(theirs, "0\n1\n2\n3\n0\n1\n2\n3\n");
    assert_eq!(ours, theirs);
}

#[test]
fn where_they_are() {
    // Of the host's namespaces, and of the first process's where it has its own.
    let host: Vec<String> = ["mnt", "pid", "net", "uts"]
        .iter()
        .map(|kind| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap())
        .map(|link| link.to_str().unwrap().to_owned())
        .collect();
    let case = writing("true", &|kind, log| {
        let mut names = String::new();
        for (name, link) in ["mnt", "pid", "net", "uts"].iter().zip(&host) {
            names.push_str(&format!("test $(readlink /proc/self/ns/{name}) = '{link}' && echo -n ' {name}';"));
        }
        hook(&format!("(echo -n '{kind}:'; {names} echo -n \" $(uname -n) \"; pwd; ls -d /only-here) >> {log} 2>/dev/null; true"))
    })
    .with(|rootfs| fs::write(rootfs.join("only-here"), "").unwrap())
    .set("/process/cwd", json!("/work"));
    let bundle = case.folder().to_str().unwrap().to_owned();
    let host_name = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let normal = |text: &str| {
        let lines = text.replace(&bundle, "BUNDLE").replace(&format!(" {host_name} "), " HOST ");
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        // When the poststart hooks run is another test's affair.
        lines.sort_by_key(|line| line.starts_with("post"));
        lines.join("\n")
    };
    let [theirs, ours] = written(&case).map(|text| normal(&text));
    assert!(theirs.starts_with("prestart: mnt pid net uts HOST BUNDLE"), "{theirs}");
    assert!(theirs.contains("createContainer: "), "{theirs}");
    assert!(theirs.contains("startContainer: oracle /"), "{theirs}");
    assert!(theirs.contains("\n/only-here"), "{theirs}");
    assert_eq!(ours, theirs);
}

#[test]
fn what_they_read() {
    let case = writing("true", &|kind, log| hook(&format!("(echo '{kind} '; cat; echo) >> {log}")))
        .set("/annotations", json!({"key": "value", "org.example": "x"}));
    let states = written(&case).map(|text| {
        let mut lines = text.lines();
        let mut states = Vec::new();
        while let (Some(kind), Some(state)) = (lines.next(), lines.next()) {
            let mut state: Value = serde_json::from_str(state).expect("it is JSON");
            // Outside, numbers differ from run to run; that there is one matters.
            let kind = kind.trim();
            let pid = state["pid"].take().as_i64().unwrap_or(-1);
            state["pid"] = if pid > 1 { json!("some") } else { json!(pid) };
            let id = state["id"].as_str().unwrap().starts_with("oracle-");
            state["id"] = json!(id);
            // Each says its own.
            assert!(state["ociVersion"].take().as_str().unwrap().starts_with("1.0.2"));
            // runc runs these early.
            if kind == "poststart" {
                let status = state["status"].take();
                assert!(status == "created" || status == "running", "{status}");
            }
            states.push(format!("{kind} {state}"));
        }
        states.sort_by_key(|state| state.starts_with("post"));
        states.join("\n")
    });
    let [theirs, ours] = states;
    assert!(
        theirs.contains("\"annotations\":{\"key\":\"value\",\"org.example\":\"x\"}"),
        "{theirs}"
    );
    assert!(theirs.contains("poststop {"), "{theirs}");
    assert_eq!(ours, theirs);
}

#[test]
fn the_processs_number_is_the_hosts() {
    // It is how network plugins find the namespace.
    let case = writing("true", &|kind, log| {
        hook(&match kind {
            "createRuntime" | "prestart" | "poststart" => format!(
                "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); test $(readlink /proc/$pid/ns/net) != \
                 $(readlink /proc/self/ns/net) && echo {kind} other net >> {log}"
            ),
            _ => "true".to_owned(),
        })
    });
    // The program waits until the poststart hook has looked at it.
    let script = format!("while ! grep -q poststart {}; do :; done", case.path("log"));
    let [theirs, ours] = written(&case.set("/process/args/2", json!(script)));
    assert_eq!(theirs, "prestart other net\ncreateRuntime other net\npoststart other net\n");
    assert_eq!(ours, theirs);
}

#[test]
fn their_arguments_and_environment() {
    let case = writing("true", &|kind, log| match kind {
        "createRuntime" => json!({"path": "/bin/sh", "env": ["A=1", "B=two words"],
            "args": ["name", "-c", format!("(echo $0 $1; /usr/bin/env) >> {log}"), "zero", "one"]}),
        "startContainer" => json!({"path": "/bin/sh", "env": ["PATH=/bin", "C=3"],
            "args": ["sh", "-c", format!("(echo $0; env) >> {log}"), "zero"]}),
        _ => hook("true"),
    });
    let own = |text: String| {
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("_=")).collect();
        lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("SHLVL="));
        // Ours are sorted.
        lines.sort_unstable();
        lines.join("\n")
    };
    let [theirs, ours] = written(&case).map(own);
    assert_eq!(theirs, "A=1\nB=two words\nC=3\nPATH=/bin\nzero\nzero one");
    assert_eq!(ours, theirs);
}

#[test]
fn a_failure_ends_the_container() {
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        let case =
            Case::sh("echo ran").set("/hooks", json!({kind: [hook("echo no room >&2; exit 3")]}));
        case.is_refused(
            "exit status 3",
            &format!("the {kind} hook /bin/sh ended with 3 and said: no room"),
        );
    }
}

#[test]
fn a_late_failure() {
    // The program runs by then, and is ended.
    for which in BOTH {
        let case = Case::sh("while :; do sleep 1000; done")
            .set("/hooks", json!({"poststart": [hook("exit 3")]}));
        // runc runs them too early, while it makes the container.
        let Ok(mut story) = create(&case, which) else {
            assert_eq!(which, Which::Runc);
            continue;
        };
        assert!(story.start().is_err(), "{which:?}");
        assert_eq!(story.wait(), 137, "{which:?}");
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
    }
    // And one that cleans up hinders no other.
    let case = writing("true", &|_, _| hook("true"));
    let log = case.path("log");
    let list = json!([hook("exit 3"), hook(&format!("echo second >> {log}"))]);
    let [theirs, ours] = written(&case.set("/hooks/poststop", list));
    // The spec says so; this runc stops at the first.
    assert_eq!((theirs.as_str(), ours.as_str()), ("", "second\n"));
}

#[test]
fn one_that_takes_too_long() {
    for kind in ["createRuntime", "createContainer", "startContainer"] {
        let mut slow = hook("while :; do :; done");
        crate::bundle::set(&mut slow, "/timeout", json!(1));
        let case = Case::sh("echo ran").set("/hooks", json!({kind: [slow]}));
        case.is_refused("hook ran past specified timeout", "did not end within 1s");
    }
}

#[test]
fn one_that_is_none() {
    for kind in ["createRuntime", "startContainer"] {
        let case = Case::sh("echo ran").set("/hooks", json!({kind: [{"path": "/no/such"}]}));
        case.is_refused("no such file", "No such file");
        let case = Case::sh("echo ran").set("/hooks", json!({kind: [{"path": "/etc/passwd"}]}));
        case.is_refused("permission denied", "Permission denied");
    }
    let case = Case::sh("echo ran").set("/hooks", json!({"poststop": [{"path": "relative"}]}));
    case.is_refused_by_us("must be an absolute path");
}

#[test]
fn those_of_the_runtime_may_change_the_root_filesystem() {
    // As hooks of devices do: what they put there is seen by the program.
    let case = Case::sh("cat /etc/injected");
    let rootfs = case.path("rootfs");
    let script = format!("echo from the hook > {rootfs}/etc/injected");
    case.set("/hooks", json!({"createRuntime": [hook(&script)]})).shows(&["from the hook\n"]);
}

#[test]
fn those_of_the_container_may_mount_into_it() {
    let case = Case::sh("cat /work/here; grep -c ' /work ' /proc/self/mountinfo");
    let rootfs = case.path("rootfs");
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {rootfs}/work && echo mounted > {rootfs}/work/here"
    );
    case.set("/hooks", json!({"createContainer": [hook(&script)]})).shows(&["mounted\n1\n"]);
}

#[test]
fn those_in_the_container_have_its_rights() {
    let case = writing("true", &|kind, log| match kind {
        "startContainer" => {
            hook(&format!("(id -u; grep -E 'Cap(Eff|Bnd)' /proc/self/status; pwd) >> {log}"))
        }
        _ => hook("true"),
    });
    let [theirs, ours] = written(&case);
    assert!(theirs.contains("CapBnd"), "{theirs}");
    assert_eq!(ours, theirs);
}

#[test]
fn those_after_the_end_run_when_it_is_deleted() {
    for which in BOTH {
        let case = writing("true", &|kind, log| hook(&format!("echo {kind} >> {log}")));
        let log = case.path("log");
        fs::write(&log, "").unwrap();
        let mut story = begin(&case, which);
        assert_eq!(story.wait(), 0, "{which:?}");
        let seen = fs::read_to_string(&log).unwrap();
        assert!(!seen.contains("poststop"), "{which:?}: {seen}");
        story.delete().expect("it goes");
        let seen = fs::read_to_string(&log).unwrap();
        assert!(seen.ends_with("poststop\n"), "{which:?}: {seen}");
        assert!(which == Which::Runc || story.delete().is_ok(), "a second time does nothing");
        assert_eq!(fs::read_to_string(&log).unwrap(), seen, "{which:?}: it ran once");
    }
}

#[test]
fn the_runtimes_process_can_not_be_looked_into() {
    // It has what the agent gave it open, while its rights are the container's already:
    // these hooks run at that moment. This runc lets them look.
    let look = "readlink /proc/1/exe; readlink /proc/1/fd/0; echo looked";
    let case = writing("true", &|kind, log| match kind {
        "startContainer" => hook(&format!("({look}) >> {log} 2>/dev/null")),
        _ => hook("true"),
    });
    let [theirs, ours] = written(&case);
    assert_eq!(theirs.lines().count(), 3, "{theirs}");
    assert_eq!(ours, "looked\n");
}
