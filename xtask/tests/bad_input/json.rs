//! With `--json`, programs get exactly one document, also of a failure.

use crate::fixture::Fixture;
use expect_test::{Expect, expect};
use serde_json::Value;

#[track_caller]
fn check(fixture: &Fixture, more: &[&str], expected: &Expect) {
    let ran = fixture.run(&[more, &["--json"]].concat());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["status"], ran.status);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    expected.assert_eq(&ran.stdout);
}

#[test]
fn a_mistake_in_a_recipe() {
    let fixture = Fixture::new();
    fixture.edit_recipe("default-type", "defualt-type");
    check(
        &fixture,
        &[],
        &expect![[r#"
        {
          "because": [],
          "error": "recipes/fixture/recipe.yaml:20:1: unknown key `defualt-type`; did you mean `default-type`?",
          "status": 2
        }
    "#]],
    );
}

#[test]
fn a_failure_with_causes() {
    let fixture = Fixture::new();
    fixture.alter("pool/base_1.0_amd64.deb", |bytes| bytes[700] ^= 1);
    check(
        &fixture,
        &[],
        &expect![[r#"
        {
          "because": [
            "base 1.0 from file://[root]/repository/pool/base_1.0_amd64.deb has the wrong digest: expected sha256 [sha256], got [sha256]"
          ],
          "error": "fixture: packages can't be fetched; give another mirror with --mirror URL",
          "status": 1
        }
    "#]],
    );
}

#[test]
fn a_wrong_command_line() {
    check(
        &Fixture::new(),
        &["--tpye", "initrd"],
        &expect![[r#"
        {
          "because": [],
          "error": "unexpected argument '--tpye' found",
          "status": 2
        }
    "#]],
    );
}

#[test]
fn help_is_no_failure() {
    let ran = Fixture::new().run(&["--help"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("--mirror <URL>"), "{}", ran.stdout);
}
