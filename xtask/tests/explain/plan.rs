//! `plan`: what a build would do, before, between and after builds.

use super::{ask, check, document};
use crate::fixture::{Deb, Fixture, Tar};
use expect_test::expect;

fn words<'a>(fixture: &'a Fixture, more: &[&'a str]) -> Vec<&'a str> {
    let plan = ["plan", "--distro", "fixture", "--arch", "x86_64", "--out", "out", "--mirror"];
    [&plan[..], &[&fixture.mirrors[0]], more].concat()
}

#[test]
fn before_anything_was_fetched() {
    let mut fixture = Fixture::new();
    // Files of a folder count as held; what a server has is to be fetched.
    let server = fixture.serve();
    fixture.mirrors = vec![server.url()];
    check(
        &fixture,
        &words(&fixture, &[]),
        &expect![[r#"
        exit 0
        out/kata-fixture-1.initrd (new)
          initrd for x86_64, agent as PID 1
          packages from http://127.0.0.1:[port]/ (--mirror)
        3 packages, 13.9 KiB; 3 to fetch, 13.9 KiB
          fetch    9.2 KiB  base 1.0 (asked for by recipes/fixture/recipe.yaml)
          fetch    4.2 KiB  library 4.2 (tool needs library (>= 4))
          fetch      502 B  tool 2:3.1-1 (asked for by recipes/fixture/recipe.yaml)
    "#]],
    );
    // A plan fetches no package, so the next one says the same.
    let again = ask(&fixture, &words(&fixture, &[]));
    assert!(again.stdout.contains("3 to fetch"), "{}", again.stdout);
    assert!(!fixture.path("out").exists());
    fixture.build(&[]);
    let held = ask(&fixture, &words(&fixture, &[]));
    assert!(held.stdout.contains("0 to fetch, 0 B"), "{}", held.stdout);
}

#[test]
fn after_a_build_and_after_a_change() {
    let mut fixture = Fixture::new();
    fixture.build(&[]);
    check(
        &fixture,
        &words(&fixture, &[]),
        &expect![[r#"
        exit 0
        out/kata-fixture-1.initrd (is there; written anew if its inputs changed)
          initrd for x86_64, agent as PID 1
          packages from file://[root]/repository (--mirror)
        3 packages, 13.9 KiB; 0 to fetch, 0 B
          held     9.2 KiB  base 1.0 (asked for by recipes/fixture/recipe.yaml)
          held     4.2 KiB  library 4.2 (tool needs library (>= 4))
          held       502 B  tool 2:3.1-1 (asked for by recipes/fixture/recipe.yaml)
    "#]],
    );
    // A newer version of one package, and another one that it needs.
    let tool = Deb::new("tool", "2:3.2-1")
        .field("Depends", "library (>= 4), base, helper | nothing")
        .files(Tar::default().file("./usr/bin/tool", 0o755, b"a better tool"));
    *fixture.repository.package("tool") = tool;
    fixture.repository.packages.push(Deb::new("helper", "0.1"));
    fixture.publish();
    // The lock stands, so a build would still take what it names.
    let locked = ask(&fixture, &words(&fixture, &[]));
    assert!(locked.stdout.contains("tool 2:3.1-1"), "{}", locked.stdout);
    fixture.unlock();
    check(
        &fixture,
        &words(&fixture, &[]),
        &expect![[r#"
        exit 0
        out/kata-fixture-1.initrd (is there; written anew if its inputs changed)
          initrd for x86_64, agent as PID 1
          packages from file://[root]/repository (--mirror)
        4 packages, 20.8 KiB; 0 to fetch, 0 B
          held     9.2 KiB  base 1.0 (asked for by recipes/fixture/recipe.yaml)
          held     3.2 KiB  helper 0.1 (tool needs helper | nothing)
          held     4.2 KiB  library 4.2 (tool needs library (>= 4))
          held     4.2 KiB  tool 2:3.2-1 (asked for by recipes/fixture/recipe.yaml)
    "#]],
    );
}

#[test]
fn of_an_image_and_as_a_document() {
    let fixture = Fixture::new();
    check(
        &fixture,
        &words(&fixture, &["--type", "image"]),
        &expect![[r#"
        exit 0
        out/kata-fixture-1.img (new)
          image for x86_64, agent as PID 1
          packages from file://[root]/repository (--mirror)
        3 packages, 13.9 KiB; 0 to fetch, 0 B
          held     9.2 KiB  base 1.0 (asked for by recipes/fixture/recipe.yaml)
          held     4.2 KiB  library 4.2 (tool needs library (>= 4))
          held       502 B  tool 2:3.1-1 (asked for by recipes/fixture/recipe.yaml)
    "#]],
    );
    let plan = document(&fixture, &words(&fixture, &[]));
    let packages: Vec<String> = plan["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            format!(
                "{} {} needed by {} held {}",
                p["name"], p["version"], p["needed-by"], p["held"]
            )
        })
        .collect();
    expect![[r#"
        "base" "1.0" needed by null held true
        "library" "4.2" needed by "tool" held true
        "tool" "2:3.1-1" needed by null held true"#]]
    .assert_eq(&packages.join("\n"));
    assert_eq!(plan["download-bytes"], 0);
    assert_eq!(plan["exists"], false);
}

#[test]
fn what_a_build_carries_out() {
    let fixture = Fixture::new();
    let plan = document(&fixture, &words(&fixture, &[]));
    let built = fixture.build(&[]);
    assert_eq!(plan["artifact"], "out/kata-fixture-1.initrd");
    assert_eq!(plan["mirror"], built["mirror"]);
    let manifest = fixture.artifact("kata-fixture-1.initrd.manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let (planned, done) = (&plan["packages"], &manifest["packages"]);
    let names = |list: &serde_json::Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|p| format!("{} {} {}", p["name"], p["version"], p["identity"])).collect()
    };
    assert_eq!(names(planned), names(done));
}

#[test]
fn what_no_build_could_carry_out() {
    let fixture = Fixture::new();
    fixture.edit_recipe("    - tool\n", "    - toll\n");
    check(
        &fixture,
        &words(&fixture, &[]),
        &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml:38:7: no package `toll` in Fixture sample main amd64; did you mean `tool`?
         37 │     - base
         38 │     - toll
            ·       ──┬─
            ·         ╰── here
         39 │   groups:
            ╰────
    "#]],
    );
    check(
        &fixture,
        &words(&fixture, &["--variant", "debug"]),
        &expect![[r#"
        exit 2
        error: fixture has no variant `debug`; it has none
    "#]],
    );
    let offline = Fixture::new();
    check(
        &offline,
        &["plan", "--distro", "fixture", "--arch", "x86_64", "--offline"],
        &expect![[r#"
            exit 1
            error: fixture: the package repository can't be opened
              because: InRelease of sample (eb4796d4363a) is not in the store and the network is off; without --offline it would come from http://mirror.example.org/fixture/dists/sample/InRelease
        "#]],
    );
}
