//! Locks: made once, found by themselves, changed only when asked for, and
//! closed against everything that differs from them.

use crate::fixture::{Deb, Fixture, Ran, Tar, X86_64, program};
use expect_test::{Expect, expect};
use std::fs;
use std::process::Command;

const LOCK: &str = "recipes/fixture/lock/x86_64.yaml";

/// A verb about locks, in the fixture's folder and from its repository.
fn verb(fixture: &Fixture, words: &[&str]) -> Ran {
    let mut command = fixture.bare();
    command.args(words).args(["--distro", "fixture", "--arch", "x86_64"]);
    command.args(["--mirror", &fixture.file_url()]);
    fixture.run_command(command)
}

#[track_caller]
fn check_verb(fixture: &Fixture, words: &[&str], expected: &Expect) {
    let ran = verb(fixture, words);
    expected.assert_eq(&format!("exit {}\n{}{}", ran.status, ran.stdout, ran.stderr));
}

fn lock(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.path(LOCK)).unwrap()
}

/// Puts another version of `library` in the place of the one there was.
fn release_library(fixture: &mut Fixture, version: &str) {
    let files = Tar::default().file("./usr/lib/library.so", 0o644, b"a newer library");
    *fixture.repository.package("library") = Deb::new("library", version).files(files);
}

/// A fixture that was built once and keeps its lock, with an empty store.
fn locked() -> Fixture {
    let fixture = Fixture::new();
    fixture.build(&[]);
    fixture.empty_store();
    fixture
}

#[test]
fn a_lock_is_made_by_the_first_build_and_found_by_the_second() {
    let fixture = Fixture::new();
    let first = fixture.build(&[]);
    let before = lock(&fixture);
    fixture.empty_store();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    // Nothing of an index is looked at any more.
    fs::remove_dir_all(fixture.path("repository/dists")).unwrap();
    assert_eq!(fixture.build(&["--locked"])["sha256"], first["sha256"]);
    assert_eq!(lock(&fixture), before);
}

#[test]
fn a_newer_package_is_not_taken_by_itself() {
    let mut fixture = locked();
    let first = fixture.build(&[]);
    fixture.empty_store();
    // The archive keeps the old file for a while.
    let old = fs::read(fixture.path("repository/pool/library_4.2_amd64.deb")).unwrap();
    release_library(&mut fixture, "4.3");
    fixture.publish();
    fixture.write("repository/pool/library_4.2_amd64.deb", old);
    fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(fixture.build(&[])["sha256"], first["sha256"]);
    check_verb(
        &fixture,
        &["lock", "--check", "--quiet"],
        &expect![[r#"
            exit 1
            error: locks are not up to date
            [root]/recipes/fixture/lock/x86_64.yaml: would change
              dists/sample/InRelease: 2025-08-09T10:27:54Z -> 2025-08-09T10:27:54Z
              ~ library 4.2 -> 4.3
        "#]],
    );
    check_verb(
        &fixture,
        &["lock"],
        &expect![[r#"
            exit 0
            [root]/recipes/fixture/lock/x86_64.yaml: changed
              dists/sample/InRelease: 2025-08-09T10:27:54Z -> 2025-08-09T10:27:54Z
              ~ library 4.2 -> 4.3
             INFO done: InRelease of sample (eb4796d4363a)
        "#]],
    );
    assert_eq!(verb(&fixture, &["lock", "--check", "--quiet"]).status, 0);
    assert_ne!(fixture.build(&[])["sha256"], first["sha256"]);
}

#[test]
fn a_locked_package_that_left_the_mirror() {
    let mut fixture = locked();
    release_library(&mut fixture, "4.3");
    fixture.publish();
    fixture.write("agent", [program(X86_64), b"another".to_vec()].concat());
    fixture.check(&[], &expect![[r#"
        exit 1
        error: fixture: library 4.2 of recipes/fixture/lock/x86_64.yaml is on no mirror any more; the archive has most likely replaced it. Take what is there now with `cargo xtask lock --distro fixture` and see what changes, or give a mirror that keeps old packages with --mirror URL
          because: cannot fetch library 4.2: the only mirror failed
              file://[root]/repository/pool/library_4.2_amd64.deb: there is no such file
            give another mirror with --mirror URL (http, https or file)
    "#]]);
    // What the message says to do.
    assert_eq!(verb(&fixture, &["lock"]).status, 0);
    fixture.build(&[]);
}

#[test]
fn a_locked_package_that_only_the_archive_of_snapshots_still_has() {
    let mut fixture = locked();
    let first = fixture.build(&[]);
    fixture.empty_store();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    // As the archive stood a day after the index was made.
    fixture.edit_recipe(
        "    host-mirror: fixture\n",
        "    host-mirror: fixture\n    snapshot: http://past.example.org/at/{time}\n",
    );
    for package in &fixture.repository.packages {
        let location = package.location();
        fixture.write(&format!("repository/at/20250810T102754Z/{location}"), package.bytes());
    }
    let proxy = fixture.serve();
    fixture.variables.push(("http_proxy", proxy.url()));
    // The recipe's own mirror, which has nothing, comes first.
    fixture.mirrors.clear();
    assert_eq!(fixture.build(&["--locked"])["sha256"], first["sha256"]);
    let asked = proxy.asked();
    let of = |host: &str| asked.iter().filter(|url| url.starts_with(host)).count();
    assert_eq!((of("http://mirror.example.org/"), of("http://past.example.org/")), (3, 3));
}

#[test]
fn a_locked_package_with_other_bytes() {
    let mut fixture = locked();
    release_library(&mut fixture, "4.2");
    fixture.publish();
    fixture.write("agent", [program(X86_64), b"another".to_vec()].concat());
    fixture.check(&[], &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched; give another mirror with --mirror URL
          because: library 4.2 from file://[root]/repository/pool/library_4.2_amd64.deb has the wrong digest: expected sha256 [sha256], got [sha256]
    "#]]);
}

#[test]
fn a_recipe_that_asks_for_more_than_its_lock_has() {
    let fixture = locked();
    fixture.edit_recipe("    - tool\n", "    - tool\n    - library\n");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: recipes/fixture/lock/x86_64.yaml does not fit recipes/fixture/recipe.yaml: the recipe asks for `library`, and the lock was made before that; bring it up to date with `cargo xtask lock --distro fixture --arch x86_64`
    "#]]);
    assert_eq!(verb(&fixture, &["lock"]).status, 0);
    fixture.build(&[]);
}

#[test]
fn a_missing_lock_where_one_is_demanded() {
    let fixture = Fixture::built();
    fixture.check(&["--locked"], &expect![[r#"
        exit 2
        error: there is no recipes/fixture/lock/x86_64.yaml; make it with `cargo xtask lock --distro fixture --arch x86_64`
    "#]]);
}

#[test]
fn a_lock_that_somebody_edited() {
    let fixture = locked();
    fixture.edit(LOCK, "format: 1", "fromat: 1");
    fixture.check(
        &[],
        &expect![[r#"
        exit 2
        error: recipes/fixture/lock/x86_64.yaml:3:1: unknown key `fromat`; did you mean `format`?
         2 │ # it changes; not to be edited by hand.
         3 │ fromat: 1
           · ───┬──
           ·    ╰── here
         4 │ distro: fixture
           ╰────
    "#]],
    );
}

#[test]
fn an_index_that_is_older_than_the_lock() {
    let mut fixture = locked();
    fixture.repository.date = "Fri, 08 Aug 2025 10:27:54 UTC";
    fixture.publish();
    let before = lock(&fixture);
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the index dists/sample/InRelease of 2025-08-08T10:27:54Z is older than the one of 2025-08-09T10:27:54Z that recipes/fixture/lock/x86_64.yaml was made from: a mirror that lags behind, or somebody who offers the past again; give another mirror with --mirror URL, or delete that lock if the archive really went back
    "#]]);
    assert_eq!(verb(&fixture, &["lock"]).status, 1);
    assert_eq!(lock(&fixture), before);
    // A lock is all that tells old from new: without it, nothing is known.
    fixture.unlock();
    fixture.build(&["--update"]);
}

#[test]
fn fetch_fills_the_store_for_a_build_without_a_network() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut command = fixture.bare();
    command.args(["fetch", "--quiet", "--json", "--distro", "fixture", "--mirror", &server.url()]);
    let ran = fixture.run_command(command);
    let told: serde_json::Value = serde_json::from_slice(&ran.document).unwrap();
    assert_eq!(told[0]["packages"], 3);
    let asked = server.asked();
    fixture.build(&["--locked", "--offline", "--mirror", &server.url()]);
    assert_eq!(server.asked(), asked);
}

#[test]
fn a_vendored_folder_builds_on_an_unplugged_machine() {
    let fixture = Fixture::new();
    let first = fixture.build(&[]);
    let ran = verb(&fixture, &["vendor", "--quiet", "air gap"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // A second time completes what is there and changes nothing.
    assert_eq!(verb(&fixture, &["vendor", "--quiet", "air gap"]).status, 0);
    // Nothing is left but the recipe and that folder.
    fs::remove_dir_all(fixture.path("repository")).unwrap();
    fs::remove_dir_all(fixture.path("out")).unwrap();
    fixture.empty_store();
    fixture.unlock();
    let mirror = format!("file://{}/air%20gap", fixture.root().display());
    let build = fixture.command(&[
        "--json",
        "--offline",
        "--locked",
        "--mirror",
        &mirror,
        "--locks",
        "air gap/locks",
    ]);
    // A network namespace of its own has no link that is up, not even loopback.
    let mut unplugged = Command::new("unshare");
    unplugged.args(["--map-root-user", "--net", "--"]).arg(build.get_program());
    unplugged.args(build.get_args()).current_dir(fixture.root());
    for (name, value) in build.get_envs() {
        if let Some(value) = value {
            unplugged.env(name, value);
        }
    }
    let ran = fixture.run_command(unplugged);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let built: serde_json::Value = serde_json::from_slice(&ran.document).unwrap();
    assert_eq!((&built["sha256"], &built["unchanged"]), (&first["sha256"], &false.into()));
}
