//! Packages of absurd size and shape, through a whole build: they work, or one
//! sentence names the package, the path and the limit.

use super::packages::with_package;
use crate::fixture::{Deb, Fixture, Tar};
use expect_test::{Expect, expect};
use serde_json::Value;
use std::process::Command;

const INITRD: &str = "kata-fixture-1.initrd";

#[track_caller]
fn refused(package: Deb, expected: &Expect) {
    with_package(package).check(&[], expected);
}

/// A build that has to work, and what is in the guest.
fn built(files: Tar, more: &[&str]) -> (Fixture, Value) {
    let fixture = with_package(Deb::new("extra", "1").files(files));
    let built = fixture.build(more);
    let artifact = built["artifact"].as_str().unwrap();
    let list = std::fs::read(format!("{artifact}.contents.json")).unwrap();
    (fixture, serde_json::from_slice(&list).unwrap())
}

/// What the list of contents says of a path.
fn entry<'a>(contents: &'a Value, path: &str) -> &'a Value {
    let mut entries = contents["entries"].as_array().unwrap().iter();
    entries.find(|entry| entry["path"] == path).unwrap()
}

#[test]
fn a_bomb() {
    let zeros = Tar::default().file("./srv/zeros", 0o644, &vec![0; 200 << 20]);
    let fixture = with_package(Deb::new("extra", "1").files(zeros).gzipped_well());
    let before = fixture.output();
    let ran = fixture.run(&[]);
    assert_eq!(ran.status, 1);
    let begin = "error: the package extra 1 can't be used\n  because: data.tar.gz can't be unpacked\n\
        \u{20} because: it unpacks to more than ";
    assert!(ran.stderr.starts_with(begin), "{}", ran.stderr);
    before.assert_same(&fixture.output());
}

#[test]
fn a_paragraph_of_ten_megabytes() {
    let long = format!("begins here\n {}", "and goes on ".repeat(900_000));
    refused(
        Deb::new("extra", "1").field("Description", &long),
        &expect![[r#"
            exit 1
            error: fixture: the package repository can't be opened
              because: main/binary-amd64/Packages can't be read
              because: the Packages index is broken at package ?: a paragraph is larger than 8388608 bytes
              because: a paragraph is larger than 8388608 bytes
        "#]],
    );
}

#[test]
fn a_name_of_four_kilobytes() {
    let name = format!("./d/{}", vec!["n".repeat(127); 32].join("/"));
    let long = |length: usize| {
        let tar = Tar::default().long_name(&name.as_bytes()[..length]);
        Deb::new("extra", "1").files(tar.file("short", 0o644, b"x"))
    };
    refused(
        long(4096),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./d/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn` (4096 bytes)
          because: the path is longer than 4094 bytes
    "#]],
    );
    // One byte less than the kernel's limit for `/…` and its NUL.
    let longest = Tar::default().long_name(&name.as_bytes()[2..4096]);
    let (fixture, contents) = built(longest.file("short", 0o644, b"x"), &["--type", "image"]);
    let path = format!("/{}", &name[2..4096]);
    assert_eq!(entry(&contents, &path)["origin"], "package:extra");
    fsck(&fixture);
}

#[test]
fn a_name_that_is_no_utf8() {
    let tar = Tar::default().long_name(b"./usr/share/caf\xe9").file("short", 0o644, b"x");
    refused(
        Deb::new("extra", "1").files(tar),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./usr/share/caf\xe9`
          because: a name in the tar header at byte 0 is not UTF-8
    "#]],
    );
}

#[test]
fn a_path_that_is_there_twice() {
    let tar = Tar::default().file("./srv/x", 0o644, b"1").file("srv/./x", 0o644, b"2");
    refused(
        Deb::new("extra", "1").files(tar),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `srv/./x`
          because: the package brings `srv/x` more than once
    "#]],
    );
}

#[test]
fn a_file_where_another_package_has_a_directory() {
    let tar = Tar::default().file("./usr/lib", 0o644, b"");
    refused(
        Deb::new("extra", "1").files(tar),
        &expect![[r#"
        exit 1
        error: package library can't be merged because of `./usr/lib/library.so`
          because: `usr/lib` on the way is a file (from package extra)
    "#]],
    );
}

#[test]
fn links_in_circles() {
    let circle = Tar::default().symlink("./srv/a", "b").symlink("./srv/b", "a");
    let (fixture, contents) = built(circle.clone().symlink("./srv/self", "self"), &[]);
    assert_eq!(entry(&contents, "/srv/self")["target"], "self");
    // What the recipe wants to write through them is told.
    fixture.edit_recipe("  files:\n", "  files:\n    - {path: /srv/a/x, content: y}\n");
    fixture.check(
        &[],
        &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml: files: /srv/a/x can't be put into the guest
          because: `srv/a/x` can't be reached in the tree
          because: `srv/a/x` goes through more than 40 symbolic links
    "#]],
    );
    // As is a package that goes through one.
    let through = circle.file("./srv/a/x", 0o644, b"x");
    refused(
        Deb::new("extra", "1").files(through),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./srv/a/x`
          because: it would be written through the symbolic link `srv/a` (from package extra)
    "#]],
    );
}

#[test]
fn a_hundred_thousand_entries() {
    let tar =
        (0..50_000).fold(Tar::default(), |tar, n| tar.file(&format!("./srv/f{n}"), 0o644, b"x"));
    let tar = (0..50_000).fold(tar, |tar, n| tar.symlink(&format!("./srv/l{n}"), "f0"));
    let (fixture, contents) = built(tar, &[]);
    assert!(contents["entries"].as_array().unwrap().len() > 100_000);
    fixture.build(&["--type", "image"]);
    fsck(&fixture);
}

#[test]
fn privileges_are_kept_and_listed() {
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let files = Tar::default()
        .xattr("security.capability", capability)
        .file("./usr/bin/ping", 0o755, b"pings")
        .owned("./usr/bin/wall", 0o2755, (0, 5), b"writes");
    let (fixture, contents) = built(files, &["--type", "image"]);
    let privileged = serde_json::json!(["/usr/bin/ping", "/usr/bin/su", "/usr/bin/wall"]);
    assert_eq!(contents["privileged"], privileged);
    assert_eq!(entry(&contents, "/usr/bin/ping")["xattrs"][0], "security.capability");
    assert_eq!(entry(&contents, "/usr/bin/wall")["mode"], "2755");
    let said = debugfs(&fixture, "ea_get -x /usr/bin/ping security.capability");
    assert!(said.replace(' ', "").contains("0100000200040000"), "{said}");
    assert!(debugfs(&fixture, "stat /usr/bin/wall").contains("Mode:  02755"));
    fsck(&fixture);
    // An initrd has no room for a capability, and says so.
    let ran = fixture.run(&["--type", "initrd"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stderr.trim(),
        "WARN an initrd can't carry extended attributes: left out usr/bin/ping: security.capability"
    );
    assert!(fixture.path("out").join(INITRD).is_file());
}

/// The place of the image's filesystem, for e2fsprogs.
const FILESYSTEM: &str = "out/kata-fixture-1.img?offset=3145728";

fn tool(fixture: &Fixture, program: &str, words: &[&str]) -> (bool, String) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    let output = command.args(words).current_dir(fixture.root()).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn debugfs(fixture: &Fixture, request: &str) -> String {
    tool(fixture, "debugfs", &["-R", request, FILESYSTEM]).1
}

fn fsck(fixture: &Fixture) {
    let (fine, said) = tool(fixture, "e2fsck", &["-f", "-n", FILESYSTEM]);
    assert!(fine, "{said}");
}
