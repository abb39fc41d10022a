//! The files of this repository and the mistakes people make in them: every
//! expected text stands beside its input.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]
#![allow(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]

use expect_test::{Expect, expect};
use recipe::{Init, Recipe, Type, Versions};

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_recipe_of_the_repository_parses_and_offers_both_types() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("recipes")).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("recipes/{folder}/recipe.yaml");
        if !root().join(&path).exists() {
            continue;
        }
        let recipe = Recipe::parse(&path, &read(&path), &folder).unwrap();
        for kind in [Type::Initrd, Type::Image] {
            recipe.select(Some(kind), None, "x86_64").unwrap();
        }
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn versions_of_the_repository_parse() {
    let versions = Versions::parse("versions.yaml", &read("versions.yaml")).unwrap();
    assert_eq!(versions.default_image_name, "debian");
    assert_eq!(versions.default_initrd_name, "alpine");
}

const RECIPE: &str = r#"name: tiny
title: Tiny
version: "1"
source-date-epoch: 0
repository:
  apk: {release: v1, repositories: [main], mirrors: [], keys: []}
architectures: {x86_64: x86_64}
default-type: initrd
default-init: {initrd: agent, image: agent}
base:
  packages: [busybox]
init:
  agent:
    files:
      - {path: /a, mode: "0600", content: x}
"#;

fn check(change: (&str, &str), expected: Expect) {
    assert!(RECIPE.contains(change.0), "{change:?}");
    let text = RECIPE.replace(change.0, change.1);
    expected.assert_eq(&match Recipe::parse("r.yaml", &text, "tiny") {
        Ok(_) => "accepted".to_owned(),
        Err(problem) => problem.to_string(),
    });
}

#[test]
fn mistakes_are_named_with_place_and_nearest_word() {
    check(("name: tiny", "name: tiny"), expect!["accepted"]);
    check(
        ("packages: [busybox]", "pakages: [busybox]"),
        expect!["r.yaml:11:3: unknown key `pakages`; did you mean `packages`?"],
    );
    check(
        ("default-type: initrd", "default-type: initd"),
        expect!["r.yaml:8:15: unknown value `initd`; did you mean `initrd`?"],
    );
    check(("title: Tiny\n", ""), expect!["r.yaml:11:1: the key `title` is missing here; add it"]);
    check(
        ("title: Tiny\n", "title: Tiny\ntitle: Tiny\n"),
        expect!["r.yaml:3:1: the key `title` is given twice; keep one of them"],
    );
    check(
        ("name: tiny", "name: huge"),
        expect!["r.yaml:1:7: the recipe calls itself `huge`, its folder is `tiny`"],
    );
    check(
        ("path: /a,", "path: /a/../b,"),
        expect![
            "r.yaml:15:16: `/a/../b` is not a plain path: leave out `.`, `..`, `//` and a trailing `/`"
        ],
    );
    check(
        ("mode: \"0600\"", "mode: \"rw\""),
        expect![[r#"r.yaml:15:26: `rw` is no file mode: write four octal digits such as "0644""#]],
    );
    check(
        ("content: x", "content: x, copy: y"),
        expect!["r.yaml:14:5: the file /a needs one of `content`, `template`, `copy`"],
    );
    check(
        ("image: agent}", "image: systemd}"),
        expect!["r.yaml:9:15: `image` wants the init `systemd`, for which `init` has no layer"],
    );
    check(
        ("default-init: {initrd: agent, image: agent}", "default-init: {initrd: agent}"),
        expect!["r.yaml:9:15: no default init for `image`"],
    );
    check(
        ("  apk: {", "  apk: {run: x, "),
        expect![
            "r.yaml:6:9: unknown key `run`; valid keys here: release, repositories, mirrors, keys"
        ],
    );
}

#[test]
fn values_that_could_never_work_are_refused() {
    check(
        ("default-type: initrd", "image: {alignment-mib: 1}\ndefault-type: initrd"),
        expect!["r.yaml:8:8: `alignment-mib` must be a multiple of 2"],
    );
    check(
        ("source-date-epoch: 0", "source-date-epoch: -5"),
        expect!["r.yaml:4:20: -5 is no `source-date-epoch`: seconds from 1970 to 2106"],
    );
    let text = RECIPE.replace("packages: [busybox]", "packages: [busybox]\n  without: [busybox]");
    let recipe = Recipe::parse("r.yaml", &text, "tiny").unwrap();
    let error = recipe.select(None, None, "x86_64").unwrap_err().to_string();
    assert_eq!(error, "tiny: `busybox` is in `packages` and in `without`; keep one of them");
}

#[test]
fn a_choice_that_the_recipe_lacks_is_explained() {
    let recipe = Recipe::parse("r.yaml", RECIPE, "tiny").unwrap();
    let error = recipe.select(None, Some(Init::Systemd), "x86_64").unwrap_err().to_string();
    assert_eq!(error, "tiny can't be built with `systemd` as init; it offers agent");
    let error = recipe.select(None, None, "m68k").unwrap_err().to_string();
    assert_eq!(error, "tiny has no architecture `m68k`; it has x86_64");
}

#[test]
fn mistakes_in_versions_are_named() {
    let text = read("versions.yaml");
    let seen = |from: &str, to: &str| {
        assert!(text.contains(from));
        Versions::parse("v.yaml", &text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    expect!["v.yaml:5:21: `debain` is not one of `distros`; did you mean `debian`?"]
        .assert_eq(&seen("default-image-name: debian", "default-image-name: debain"));
    assert!(seen("tools:", "tols:").contains("unknown key `tols`; did you mean `tools`?"));
    assert!(seen("    sha256: d8", "    sha256: D8").contains("64 lower-case hexadecimal digits"));
}
