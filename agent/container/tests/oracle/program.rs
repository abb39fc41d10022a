//! The program: its arguments, its environment, its folder, and how it is found.

use std::fs;

use serde_json::json;

use crate::bundle::chmod;
use crate::case::Case;
use crate::runtimes::Which;

fn args(args: &[&str]) -> Case {
    Case::sh("").set("/process/args", json!(args))
}

#[test]
fn arguments_are_passed_as_they_are() {
    args(&["printf", "%s|", "a b", "", "$HOME", "\"'", "ü\n"]).shows(&["a b||$HOME|\"'|ü\n|"]);
    args(&["sh", "-c", "tr '\\0' '|' < /proc/$$/cmdline; true", "name"]).shows(&["|name|"]);
}

#[test]
fn the_environment() {
    args(&["env"]).shows(&["PATH=/usr/sbin:/usr/bin:/sbin:/bin\nTERM=xterm\nHOME=/root\n"]);
    for env in [
        json!(["PATH=/bin", "A=1", "B=2", "A=3"]),
        json!(["PATH=/bin", "HOME=/elsewhere", "X=a=b=c", "EMPTY="]),
        json!(["PATH=/bin", "HOME=", "Z=1"]),
        json!(["A= spaces and\nlines ", "PATH=/bin"]),
        json!(["PATH=/nowhere", "PATH=/bin"]),
    ] {
        args(&["env"]).set("/process/env", env).shows(&["PATH=/bin\n"]);
    }
}

#[test]
fn an_environment_that_is_none_fails_both() {
    for env in [json!(["PATH=/bin", "NOVALUE"]), json!(["PATH=/bin", "=value"])] {
        args(&["env"]).set("/process/env", env).is_refused("level=error", "is not NAME=VALUE");
    }
}

#[test]
fn it_is_found() {
    args(&["/bin/echo", "by path"]).shows(&["by path\n"]);
    args(&["echo", "by name"]).shows(&["by name\n"]);
    args(&["./bin/echo", "from the folder"]).shows(&["from the folder\n"]);
    args(&["../bin/echo", "up"]).set("/process/cwd", json!("/work")).shows(&["up\n"]);
    args(&["echo", "first"])
        .with(|rootfs| {
            // What can't be executed is passed over.
            fs::create_dir(rootfs.join("work/echo")).unwrap();
            fs::write(rootfs.join("home/echo"), "no program").unwrap();
        })
        .set("/process/env", json!(["PATH=/work:/home:/nowhere:/bin"]))
        .shows(&["first\n"]);
    args(&["/tmp/script", "x"])
        .with(|rootfs| {
            fs::write(rootfs.join("tmp/script"), "#!/bin/sh -e\necho $0 $1\n").unwrap();
            chmod(&rootfs.join("tmp/script"), 0o755);
        })
        .shows(&["/tmp/script x\n"]);
}

#[test]
fn it_is_not_found() {
    args(&["no-such-program"]).is_refused("not found in $PATH", "can't find the program");
    args(&["/no/such/program"]).is_refused("no such file", "No such file");
    args(&["/bin"]).is_refused("level=error", "permission denied");
    args(&["/etc/passwd"]).is_refused("permission denied", "permission denied");
    args(&["./passwd"]).is_refused("no such file", "No such file");
    args(&["sh"])
        .set("/process/env", json!(["A=1"]))
        .is_refused("not found in $PATH", "can't find the program");
    args(&["sh"])
        .set("/process/env", json!(["PATH="]))
        .is_refused("not found in $PATH", "can't find the program");
    // One in the folder itself is not taken by its name alone.
    args(&["sh"])
        .set("/process/env", json!(["PATH=.:/bin"]))
        .set("/process/cwd", json!("/bin"))
        .is_refused("relative to current directory", "relative");
    args(&["/tmp/x"])
        .with(|rootfs| {
            fs::write(rootfs.join("tmp/x"), "no format\n").unwrap();
            chmod(&rootfs.join("tmp/x"), 0o755);
        })
        .is_refused("exec format error", "Exec format error");
    args(&["/tmp/x"])
        .with(|rootfs| {
            fs::write(rootfs.join("tmp/x"), "#!/no/interpreter\n").unwrap();
            chmod(&rootfs.join("tmp/x"), 0o755);
        })
        .is_refused("no such file", "No such file");
    args(&["/root/x"])
        .with(|rootfs| {
            fs::copy("/usr/bin/busybox", rootfs.join("root/x")).unwrap();
            chmod(&rootfs.join("root"), 0o700);
        })
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .is_refused("permission denied", "ermission denied");
}

#[test]
fn its_folder() {
    args(&["pwd"]).set("/process/cwd", json!("/work")).shows(&["/work\n"]);
    args(&["pwd"]).set("/process/cwd", json!("/work/../home/./web")).shows(&["/home/web\n"]);
    args(&["pwd"])
        .with(|rootfs| std::os::unix::fs::symlink("home", rootfs.join("link")).unwrap())
        .set("/process/cwd", json!("/link/web"))
        .shows(&["/home/web\n"]);
}

#[test]
fn a_missing_folder_is_made() {
    for writable in [true, false] {
        let case = args(&["sh", "-c", "pwd; stat -c '%a %u %g' /new /new/deep"]);
        case.set("/root/readonly", json!(!writable))
            .set("/process/cwd", json!("/new/deep"))
            .set("/process/user", json!({"uid": 33, "gid": 34}))
            .shows(&["/new/deep\n755 0 0\n755 0 0\n"]);
    }
}

#[test]
fn a_folder_that_can_not_be_fails_both() {
    args(&["pwd"])
        .set("/process/cwd", json!("/etc/passwd"))
        .is_refused("not a directory", "Not a directory");
    args(&["pwd"])
        .set("/process/cwd", json!("work"))
        .is_refused("must be an absolute", "must be an absolute");
    args(&["pwd"]).set("/process/cwd", json!("")).is_refused("level=error", "must be an absolute");
    let closed = |case: Case| case.with(|rootfs| chmod(&rootfs.join("root"), 0o700));
    // Root without rights may not enter another's folder either.
    let case = args(&["pwd"]).with(|rootfs| {
        let private = rootfs.join("home/web");
        std::os::unix::fs::chown(&private, Some(33), Some(34)).unwrap();
        chmod(&private, 0o700);
    });
    case.set("/process/cwd", json!("/home/web")).shows(&["/home/web\n"]);
    closed(args(&["pwd"]))
        .set("/process/cwd", json!("/root"))
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["/root\n"]);
}

#[test]
fn the_users_own_folder_behind_a_closed_one() {
    // Only the user may enter it, as with a network's folder that knows no root.
    let case = args(&["sh", "-c", "pwd; cat file"]).with(|rootfs| {
        let own = rootfs.join("home/web");
        fs::write(own.join("file"), "seen\n").unwrap();
        std::os::unix::fs::chown(&own, Some(33), Some(34)).unwrap();
        chmod(&own, 0o700);
    });
    case.set("/process/cwd", json!("/home/web"))
        .set("/process/user", json!({"uid": 33, "gid": 34}))
        .shows(&["/home/web\nseen\n"]);
}

#[test]
fn personality() {
    // This runc does not read it, newer ones do.
    let case = args(&["uname", "-m"]).set("/linux/personality", json!({"domain": "LINUX32"}));
    assert_eq!(case.run(Which::Ours).output, "i686\n");
}
