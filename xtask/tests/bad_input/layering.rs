//! Recipes that extend others and their variants: what comes out, and the
//! mistakes that only show once the other recipe is read.

use crate::fixture::Fixture;
use expect_test::expect;

const CHILD: &str = "name: child
extends: fixture
title: A child
base:
  files:
    - {path: /etc/child, content: \"here\\n\"}
variants:
  small:
    remove-packages: [tool]
";

fn names(manifest: &serde_json::Value) -> Vec<&str> {
    let packages = manifest["packages"].as_array().unwrap();
    packages.iter().map(|package| package["name"].as_str().unwrap()).collect()
}

#[test]
fn a_child_builds_with_the_keys_and_files_of_its_parent() {
    let fixture = Fixture::new();
    fixture.write("recipes/child/recipe.yaml", CHILD);
    let whole = fixture.build(&["--distro", "child"]);
    let small = fixture.build(&["--distro", "child", "--variant", "small"]);
    assert_ne!(whole["sha256"], small["sha256"]);
    let manifest = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fixture.artifact(&format!("{name}.manifest.json"))).unwrap()
    };
    assert_eq!(names(&manifest("kata-child-1.initrd")), ["base", "library", "tool"]);
    let small = manifest("kata-child-1-small.initrd");
    assert_eq!(names(&small), ["base"]);
    assert_eq!(small["variant"], "small");
    let contents = String::from_utf8(fixture.artifact("kata-child-1.initrd.contents.json"));
    assert!(contents.unwrap().contains("etc/child"));
    // Nothing of it is built again, until the parent changes.
    assert_eq!(fixture.build(&["--distro", "child"])["unchanged"], true);
    fixture.edit_recipe("epoch: 1700000000", "epoch: 1700000001");
    assert_eq!(fixture.build(&["--distro", "child"])["unchanged"], false);
}

#[test]
fn recipes_in_a_circle() {
    let fixture = Fixture::built();
    fixture.write("recipes/child/recipe.yaml", CHILD.replace("fixture", "other"));
    fixture.write("recipes/other/recipe.yaml", "name: other\nextends: child\n");
    fixture.check(&["--distro", "child"], &expect![[r#"
        exit 2
        error: recipes/other/recipe.yaml:2:10: `child` extends this recipe itself: child extends other
         1 │ name: other
         2 │ extends: child
           ·          ──┬──
           ·            ╰── here
           ╰────
    "#]]);
}

#[test]
fn a_parent_that_is_not_there() {
    let fixture = Fixture::built();
    fixture.write("recipes/child/recipe.yaml", CHILD.replace("fixture", "fixtrue"));
    fixture.check(
        &["--distro", "child"],
        &expect![[r#"
        exit 2
        error: recipes/child/recipe.yaml:2:10: there is no recipe `fixtrue`; did you mean `fixture`?
         1 │ name: child
         2 │ extends: fixtrue
           ·          ───┬───
           ·             ╰── here
         3 │ title: A child
           ╰────
    "#]],
    );
}

#[test]
fn an_unknown_variant() {
    let fixture = Fixture::built();
    fixture.write("recipes/child/recipe.yaml", CHILD);
    fixture.check(
        &["--distro", "child", "--variant", "smal"],
        &expect![[r#"
        exit 2
        error: child has no variant `smal`; did you mean `small`?
    "#]],
    );
}
