//! The order of the last steps, without root.

use expect_test::{Expect, expect};
use oci_spec::runtime::Spec;

use super::*;
use crate::os::recorder::Recorder;

/// A set-up whose process has these keys beside its arguments.
fn setup(process: &str) -> Setup {
    let spec: Spec = serde_json::from_str(&format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"/r"}},
        "process":{{"cwd":"/work","args":["x"],"user":{{"uid":7,"gid":8}}{process}}},
        "linux":{{"seccomp":{{"defaultAction":"SCMP_ACT_ALLOW"}}}}}}"#
    ))
    .expect("it is a spec");
    Setup {
        id: "c".to_owned(),
        process: spec.process().clone().expect("it has one"),
        spec,
        rootfs: "/r".into(),
        bundle: "/".into(),
        cgroup: "/".into(),
        joins: None,
        runtime_hooks: false,
    }
}

fn steps(setup: &Setup, os: &Recorder) -> Result<(), Error> {
    let identity = Identity { uid: 7, gid: 8, groups: vec![9], home: "/".to_owned() };
    let linux = setup.spec.linux().as_ref().expect("it has one");
    let prepared = Become::new(setup, linux, &identity)?;
    let label = |file: &str, text: &str| os.write(std::path::Path::new(file), text);
    prepared.take_rights(os, &label)?;
    prepared.last_filter(os)
}

fn check(process: &str, os: &Recorder, expected: &Expect) {
    steps(&setup(process), os).expect("all steps are possible");
    expected.assert_eq(&os.lines());
}

#[test]
fn without_no_new_privileges_the_filter_comes_before_rights_go() {
    check(
        r#","capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],
        "permitted":["CAP_CHOWN"]}"#,
        &Recorder::holding(0b11),
        &expect![[r#"
            seccomp 9 instructions, flags 0x4
            drop bounding 1
            cd /work
            keep capabilities true
            groups [9]
            group 8
            user 7
            keep capabilities false
            clear ambient
            capabilities 1 1 0
            umask 0022
        "#]],
    );
}

#[test]
fn with_no_new_privileges_the_filter_comes_last() {
    check(
        r#","noNewPrivileges":true,"selinuxLabel":"a:b:c:d","apparmorProfile":"p""#,
        &Recorder::holding(0),
        &expect![[r#"
            write apparmor/exec exec p
            write exec a:b:c:d
            no new privileges
            cd /work
            keep capabilities true
            groups [9]
            group 8
            user 7
            keep capabilities false
            clear ambient
            capabilities 0 0 0
            umask 0022
            seccomp 9 instructions, flags 0x4
        "#]],
    );
}

#[test]
fn a_folder_that_only_the_user_may_enter_is_entered_later() {
    let os = Recorder::holding(0).failing("cd", libc::EACCES);
    let error = steps(&setup(""), &os).expect_err("neither may enter");
    assert_eq!(error.to_string(), "can't enter the folder /work");
    let lines = os.lines();
    let places: Vec<_> = lines.match_indices("cd /work").map(|(place, _)| place).collect();
    let user = lines.find("user 7").expect("the user changes");
    assert!(matches!(places.as_slice(), [first, second] if *first < user && user < *second));
}

#[test]
fn the_first_failure_ends_it() {
    let os = Recorder::holding(0).failing("user", libc::EPERM);
    let error = steps(&setup(""), &os).expect_err("it may not");
    assert_eq!(
        crate::error::chain(&error),
        "can't become user 7: Operation not permitted (os error 1)"
    );
    assert!(os.lines().ends_with("user 7\n"));
}
