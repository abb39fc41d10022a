//! Mistakes of the person who calls or who wrote a recipe: exit status 2, with
//! file, line and the nearest right word where there is one.

use crate::fixture::{AARCH64, Fixture, X86_64, program};
use expect_test::expect;

#[test]
fn an_unknown_distro() {
    let fixture = Fixture::built();
    fixture.check(
        &["--distro", "fixtrue"],
        &expect![[r#"
            exit 2
            error: there is no recipe for `fixtrue`; did you mean `fixture`? (recipes: fixture)
        "#]],
    );
    fixture.check(
        &["--distro", "plan9"],
        &expect![[r#"
            exit 2
            error: there is no recipe for `plan9` (recipes: fixture)
        "#]],
    );
}

#[test]
fn an_unknown_key() {
    let fixture = Fixture::built();
    fixture.edit_recipe("  packages:\n", "  pakages:\n");
    fixture.check(
        &[],
        &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml:36:3: unknown key `pakages`; did you mean `packages`?
         35 │ base:
         36 │   pakages:
            ·   ───┬───
            ·      ╰── here
         37 │     - base
            ╰────
    "#]],
    );
}

#[test]
fn an_unknown_value() {
    let fixture = Fixture::built();
    fixture.edit_recipe("default-type: initrd", "default-type: initramfs");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml:20:15: unknown value `initramfs`; valid values: initrd, image, tar
         19 │
         20 │ default-type: initramfs
            ·               ────┬────
            ·                   ╰── here
         21 │ default-init:
            ╰────
    "#]]);
}

#[test]
fn a_missing_template_variable() {
    let fixture = Fixture::built();
    fixture.write("recipes/fixture/files/motd.hbs", "Welcome to\n{{distro.nam}}\n");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: recipes/fixture/files/motd.hbs:2:1: the template variable `distro.nam` does not exist; did you mean `distro.name`?
         1 │ Welcome to
         2 │ {{distro.nam}}
           · ───────┬──────
           ·        ╰── here
           ╰────
    "#]]);
}

#[test]
fn a_missing_template() {
    let fixture = Fixture::built();
    fixture.edit_recipe("template: files/motd.hbs", "template: files/modt.hbs");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml:44:35: the file `files/modt.hbs` does not exist; it is sought in the recipe's folder, or in recipes/ if it begins with shared/
         43 │   files:
         44 │     - {path: /etc/motd, template: files/modt.hbs}
            ·                                   ───────┬───────
            ·                                          ╰── here
         45 │
            ╰────
    "#]]);
}

#[test]
fn a_package_that_no_repository_has() {
    let fixture = Fixture::built();
    fixture.edit_recipe("    - tool\n", "    - tol\n");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: recipes/fixture/recipe.yaml:38:7: no package `tol` in Fixture sample main amd64; did you mean `tool`?
         37 │     - base
         38 │     - tol
            ·       ─┬─
            ·        ╰── here
         39 │   groups:
            ╰────
    "#]]);
}

#[test]
fn an_unknown_architecture() {
    let fixture = Fixture::built();
    fixture.check(
        &["--arch", "x86-64"],
        &expect![[r#"
        exit 2
        error: fixture has no architecture `x86-64`; it has x86_64
    "#]],
    );
}

#[test]
fn an_init_that_the_recipe_lacks() {
    let fixture = Fixture::built();
    fixture.check(
        &["--init", "systemd"],
        &expect![[r#"
        exit 2
        error: fixture can't be built with `systemd` as init; it offers agent
    "#]],
    );
    fixture.check(
        &["--init", "sytemd"],
        &expect![[r#"
        exit 2
        error: invalid value 'sytemd' for '--init <INIT>'
          [possible values: agent, systemd]

          tip: a similar value exists: 'systemd'

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn a_mirror_that_is_no_url() {
    let fixture = Fixture::built();
    fixture.check(&["--mirror", "mirror.example.org/debian"], &expect![[r#"
        exit 2
        error: `mirror.example.org/debian` is no mirror URL (it has no scheme); give http://…, https://… or file:///…
    "#]]);
    fixture.check(&["--mirror", "ftp://mirror.example.org/debian"], &expect![[r#"
        exit 2
        error: `ftp://mirror.example.org/debian` is no mirror URL (the scheme `ftp` is not known); give http://…, https://… or file:///…
    "#]]);
}

#[test]
fn a_mirror_key_that_is_none() {
    let fixture = Fixture::built();
    let mirror = fixture.file_url();
    fixture.write("elsewhere/archive.asc", "not a key\n");
    let key = fixture.path("elsewhere/archive.asc");
    fixture.check(
        &["--mirror", &mirror, "--mirror-key", key.to_str().unwrap()],
        &expect![[r#"
            exit 2
            error: the key [root]/elsewhere/archive.asc can't be used: it is no file of OpenPGP public keys (unknown packet header version 1101110)
        "#]],
    );
    fixture.check(
        &["--mirror", &mirror, "--mirror-key", "no-such.asc"],
        &expect![[r#"
        exit 2
        error: the key no-such.asc can't be used: there is no such file
    "#]],
    );
}

#[test]
fn a_key_of_the_recipe_that_is_none() {
    let fixture = Fixture::built();
    fixture.write("recipes/fixture/keys/archive.asc", "");
    fixture.check(&[], &expect![[r#"
        exit 2
        error: the key recipes/fixture/keys/archive.asc can't be used: it holds no OpenPGP public key
    "#]]);
}

#[test]
fn an_agent_that_is_none() {
    let fixture = Fixture::built();
    fixture.check(
        &["--agent", "no-such-file"],
        &expect![[r#"
        exit 2
        error: the agent no-such-file can't be read
          because: No such file or directory (os error 2)
    "#]],
    );
    fixture.check(
        &["--agent", "versions.yaml"],
        &expect![[r#"
        exit 2
        error: the agent versions.yaml can't be put into the guest
          because: it is something else, not an ELF program
    "#]],
    );
}

#[test]
fn an_agent_for_another_machine() {
    let fixture = Fixture::built();
    fixture.write("agent", program(AARCH64));
    fixture.check(
        &[],
        &expect![[r#"
        exit 2
        error: the agent [root]/agent can't be put into the guest
          because: it is a program for aarch64, but the guest is x86_64
    "#]],
    );
    // Made by a shell, the version would be two words.
    fixture.write("agent", program(X86_64));
    fixture.check(
        &["--agent-version", "1.0 beta"],
        &expect![[r#"
        exit 2
        error: `1.0 beta` is no version: it has to be one word
    "#]],
    );
    fixture.build(&["--agent-version", "1.0-beta"]);
    let manifest = fixture.artifact("kata-fixture-1.initrd.manifest.json");
    assert!(String::from_utf8(manifest).unwrap().contains("\"agent-version\": \"1.0-beta\""));
}

#[test]
fn an_unknown_key_of_the_versions_database() {
    let fixture = Fixture::built();
    fixture.edit("versions.yaml", "distros:\n", "distribs:\n");
    fixture.check(
        &[],
        &expect![[r#"
        exit 2
        error: versions.yaml:15:1: unknown key `distribs`; did you mean `distros`?
         14 │
         15 │ distribs:
            · ────┬───
            ·     ╰── here
         16 │   fixture:
            ╰────
    "#]],
    );
}
