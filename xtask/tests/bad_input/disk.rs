//! No room for the output or for the store.

use crate::fixture::{Fixture, Snapshot, Tar};
use expect_test::{Expect, expect};
use std::process::Command;

/// Size of an agent that none of the limits below has room for.
const LARGE: usize = 1 << 20;

/// `script` under a shell, with `$@` as the build's command line.
fn under_a_shell(fixture: &Fixture, shell: &[&str], script: &str, more: &[&str]) -> Command {
    let build = fixture.command(more);
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-euc", script, "sh"]);
    command.arg(build.get_program()).args(build.get_args());
    command.env_clear().current_dir(fixture.root());
    command.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// `sh` in a mount namespace of its own, where this user may make one and mount.
fn mounting_shell() -> Option<Vec<&'static str>> {
    [vec!["unshare", "-m", "sh"], vec!["unshare", "-rm", "sh"]].into_iter().find(|shell| {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", "mount -t tmpfs none /mnt"]);
        command.output().is_ok_and(|output| output.status.success())
    })
}

/// A build in which `folder` of the project is a file system of 512 KiB that
/// holds what it held before, and what it holds afterwards.
fn on_a_small_disk(fixture: &Fixture, folder: &str, more: &[&str], expected: &Expect) {
    let Some(shell) = mounting_shell() else {
        eprintln!("nobody may mount here: the full disk is left to `a_file_that_can_not_grow`");
        return;
    };
    let script = format!(
        "rm -rf before after\n\
         cp -a out before\n\
         mkdir -p {folder}\n\
         mount -t tmpfs -o size=512k,mode=755 none {folder}\n\
         if [ {folder} = out ]; then cp -a before/. out; fi\n\
         status=0; \"$@\" || status=$?\n\
         cp -a out after\n\
         exit $status"
    );
    let ran = fixture.run_command(under_a_shell(fixture, &shell, &script, more));
    expected.assert_eq(&format!("exit {}\n{}", ran.status, ran.stderr));
    assert_eq!(ran.stdout, "");
    let before = Snapshot::of(&fixture.path("before"));
    assert_eq!(before.names().len(), 5);
    before.assert_same(&Snapshot::of(&fixture.path("after")));
}

#[test]
fn no_room_for_the_artifact() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    fixture.large_agent(LARGE);
    on_a_small_disk(
        &fixture,
        "out",
        &[],
        &expect![[r#"
        exit 1
        error: no space left to write [root]/out/kata-fixture-1.initrd; free some, or build into another folder with --out DIR
    "#]],
    );
    on_a_small_disk(
        &fixture,
        "out",
        &["--type", "image"],
        &expect![[r#"
        exit 1
        error: no space left to write [root]/out/kata-fixture-1.img; free some, or build into another folder with --out DIR
    "#]],
    );
}

#[test]
fn no_room_in_the_store() {
    let mut fixture = Fixture::built();
    let files = Tar::default().file("./usr/share/large", 0o644, &[7; LARGE]);
    fixture.repository.package("library").files = files;
    fixture.publish();
    on_a_small_disk(
        &fixture,
        "store",
        &["--update"],
        &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched
          because: no space left to write [root]/store/tmp/[sha256]-[n].part; free some, or point KATA_STORE at a folder with room
    "#]],
    );
}

#[test]
fn a_file_that_can_not_grow() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    fixture.large_agent(LARGE);
    let before = fixture.output();
    // Without this trap the signal would end the process before it could tell.
    let script = "trap '' XFSZ; ulimit -f 256; exec \"$@\"";
    let ran = fixture.run_command(under_a_shell(&fixture, &["sh"], script, &[]));
    expect![[r#"
        exit 1
        error: [root]/out/kata-fixture-1.initrd: writing failed
          because: File too large (os error 27)
    "#]]
    .assert_eq(&format!("exit {}\n{}", ran.status, ran.stderr));
    assert_eq!(ran.stdout, "");
    before.assert_same(&fixture.output());
}

#[test]
fn an_output_folder_that_is_a_file() {
    let fixture = Fixture::built();
    fixture.check(
        &["--out", "versions.yaml"],
        &expect![[r#"
        exit 1
        error: versions.yaml: making this folder failed
          because: File exists (os error 17)
    "#]],
    );
}
