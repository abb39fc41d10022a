//! What a build does again and what not, and that `-v` says why.

use crate::fixture::{Fixture, X86_64, program};
use expect_test::{Expect, expect};

const VARIANT: &str = "
variants:
  other:
    files:
      - {path: /etc/other, template: files/other.hbs}
";

/// A fixture with a variant that has a template of its own.
fn two_templates() -> Fixture {
    let fixture = Fixture::new();
    let recipe = std::fs::read_to_string(fixture.path("recipes/fixture/recipe.yaml")).unwrap();
    fixture.write("recipes/fixture/recipe.yaml", recipe + VARIANT);
    fixture.write("recipes/fixture/files/other.hbs", "other\n");
    fixture
}

/// Builds, and compares the reasons that were given, without their times.
#[track_caller]
fn check(fixture: &Fixture, more: &[&str], expected: &Expect) {
    let mut build = fixture.bare();
    build.args(["build-image", "-v", "--distro", "fixture", "--arch", "x86_64"]);
    build.args(["--mirror", &fixture.file_url(), "--out", "out", "--agent", "agent"]).args(more);
    let ran = fixture.run_command(build);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let reasons = ran.stderr.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("DEBUG ")?.split_once(" s  ")?.1;
        Some(format!("{line}\n"))
    });
    expected.assert_eq(&reasons.collect::<String>());
}

#[test]
fn a_template_concerns_only_what_uses_it() {
    let fixture = two_templates();
    check(
        &fixture,
        &[],
        &expect![[r#"
        lock: read the repository, as there was no recipes/fixture/lock/x86_64.yaml
        fetch: 3 held, 3 of them fetched now
        unpack: 3 packages unpacked, 0 held in unpacked form
        assemble: runs, nothing of that name is there
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
    check(
        &fixture,
        &["--variant", "other"],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        fetch: 3 held, 0 of them fetched now
        unpack: 0 packages unpacked, 3 held in unpacked form
        assemble: runs, nothing of that name is there
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
    fixture.write("recipes/fixture/files/other.hbs", "something else\n");
    check(
        &fixture,
        &[],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        everything else: not run, no input changed and all files are whole
    "#]],
    );
    check(
        &fixture,
        &["--variant", "other"],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        fetch: 3 held, 0 of them fetched now
        unpack: 0 packages unpacked, 3 held in unpacked form
        assemble: runs, since the last build changed: recipes/fixture/files/other.hbs
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
}

#[test]
fn a_comment_in_the_recipe_changes_nothing() {
    let fixture = two_templates();
    let first = fixture.build(&[]);
    fixture.edit_recipe("# A guest of the packages that the tests write.", "# Another comment.");
    let second = fixture.build(&[]);
    assert_eq!((&second["sha256"], &second["unchanged"]), (&first["sha256"], &true.into()));
}

#[test]
fn changes_are_named() {
    let fixture = two_templates();
    fixture.build(&[]);
    fixture.edit_recipe("- {path: /run}", "- {path: /run}\n      - {path: /srv}");
    fixture.write("agent", [program(X86_64), b"another".to_vec()].concat());
    check(
        &fixture,
        &[],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        fetch: 3 held, 0 of them fetched now
        unpack: 0 packages unpacked, 3 held in unpacked form
        assemble: runs, since the last build changed: `directories` of the recipe, the agent
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
    std::fs::remove_file(fixture.path("out/kata-fixture-1.initrd")).unwrap();
    check(
        &fixture,
        &[],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        fetch: 3 held, 0 of them fetched now
        unpack: 0 packages unpacked, 3 held in unpacked form
        assemble: runs, nothing of that name is there
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
    check(
        &fixture,
        &["--update"],
        &expect![[r#"
        lock: read the repository for recipes/fixture/lock/x86_64.yaml, as --update asks for
        fetch: 3 held, 0 of them fetched now
        unpack: 0 packages unpacked, 3 held in unpacked form
        assemble: runs, as --update asks for
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
    fixture.empty_store();
    fixture.edit_recipe("compression: none", "compression: gzip");
    check(
        &fixture,
        &[],
        &expect![[r#"
        lock: kept recipes/fixture/lock/x86_64.yaml, no index was read
        fetch: 3 held, 3 of them fetched now
        unpack: 3 packages unpacked, 0 held in unpacked form
        assemble: runs, what is there was built from something else
        write: runs, as the tree was assembled anew
        describe: runs, as the artifact was written anew
        publish: every file of it is whole and took its name
    "#]],
    );
}
