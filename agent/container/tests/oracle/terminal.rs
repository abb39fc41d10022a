//! Programs with a terminal.

use serde_json::json;

use crate::case::{Case, Seen};
use crate::runtimes::BOTH;
use crate::story::begin;

/// Runs a script on a terminal in both, the first time as a container's first program,
/// the second time as a further one, and compares what it shows.
fn shows(case: &Case, expected: &[&str]) {
    let told = BOTH.map(|which| {
        let mut story = begin(case, which);
        let shown = story.output().rest();
        let code = story.wait();
        story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
        format!("{shown}code {code}\n")
    });
    for text in expected {
        assert!(told[0].contains(text), "runc shows no {text:?}:\n{}", told[0]);
    }
    assert_eq!(told[1], told[0], "ours and runc's");
}

fn terminal(script: &str) -> Case {
    Case::sh(script).set("/process/terminal", json!(true))
}

#[test]
fn its_name_and_place() {
    let script = "tty; ls -l /dev/console | cut -c1-10; ls /dev/pts; stat -c '%t %u %g %a' /dev/pts/0; \
        stat -c '%t:%T %u %a' /dev/console; grep ' /dev/console ' /proc/self/mountinfo | cut -d' ' -f4-6; \
        cut -d' ' -f5-8 /proc/1/stat; true";
    shows(&terminal(script), &["/dev/pts/0\r\n", "crw", "code 0\n"]);
}

#[test]
fn its_user() {
    let script =
        "tty; id -u; stat -c '%u %g %a' /dev/pts/0; stat -c %u /dev/console; echo x > /dev/tty";
    shows(
        &terminal(script).set("/process/user", json!({"uid": 33, "gid": 34})),
        &["33\r\n", "x\r\n"],
    );
}

#[test]
fn its_size() {
    let case =
        terminal("stty size").set("/process/consoleSize", json!({"height": 40, "width": 132}));
    shows(&case, &["40 132\r\n"]);
    // Without one it is of no size, which stty calls an error.
    shows(&terminal("stty size; stty -a"), &["speed 38400 baud"]);
}

#[test]
fn its_settings() {
    shows(&terminal("stty -a"), &["speed 38400 baud", "isig icanon"]);
}

#[test]
fn it_is_the_controlling_one() {
    let script = "trap 'echo hung up' HUP; echo test > /dev/tty; ls /proc/self/fd; \
        for f in 0 1 2; do readlink /proc/self/fd/$f; done";
    shows(&terminal(script), &["test\r\n", "/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n"]);
}

#[test]
fn its_code_is_the_programs() {
    shows(&terminal("echo out; exit 9"), &["out\r\ncode 9\n"]);
}

#[test]
fn in_a_user_namespace() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let case = terminal("tty; stat -c '%u %g' /dev/pts/0; echo y > /dev/tty")
        .with(|rootfs| crate::bundle::give(rootfs, 100_000))
        .set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    shows(&case, &["/dev/pts/0\r\n", "y\r\n"]);
}

#[test]
fn of_a_further_program() {
    let case = Case::sh("echo ready; while :; do sleep 1000; done");
    for (user, size, shown) in
        [(0, json!({"height": 10, "width": 20}), "10 20\r\n"), (33, json!(null), "33\r\n")]
    {
        let script = "tty; stty size; id -u; stat -c '%u %g %a' $(tty); echo x > /dev/tty; \
            ls /dev/console; ls /proc/self/fd; exit 4";
        let mut process = json!({
            "terminal": true, "user": {"uid": user, "gid": user}, "cwd": "/",
            "args": ["sh", "-c", format!("exec 2>&1; {script}")], "env": ["PATH=/bin"]
        });
        if !size.is_null() {
            crate::bundle::set(&mut process, "/consoleSize", size);
        }
        let told = BOTH.map(|which| {
            let mut story = begin(&case, which);
            assert_eq!(story.line(), "ready\n");
            let Seen { code, output, .. } = story.exec(&process).expect("it runs");
            story.delete().unwrap_or_else(|error| panic!("{which:?}: {error}"));
            format!("{output}code {code}\n")
        });
        assert!(told[0].contains(shown) && told[0].ends_with("code 4\n"), "runc: {}", told[0]);
        assert_eq!(told[1], told[0], "ours and runc's");
    }
}
