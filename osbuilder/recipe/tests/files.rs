//! The files of this repository and the mistakes people make in them: every
//! expected text stands beside its input.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]
#![allow(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]

use expect_test::{Expect, expect};
use recipe::{Draft, Init, Layer, Recipe, Versions};
use std::collections::BTreeMap;

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The draft of a file, with the layers of the repository that it includes.
fn draft<'a>(file: &'a str, text: &'a str, folder: &str) -> Result<Draft<'a>, recipe::Problem> {
    let draft = Draft::parse(file, text, folder)?;
    let mut layers = BTreeMap::new();
    for name in draft.includes() {
        let file = format!("recipes/{name}");
        layers.insert(name.to_owned(), Layer::parse(&file, &read(&file))?);
    }
    draft.including(&layers)
}

/// A recipe of the repository that extends no other.
fn of_the_repository(name: &str) -> Recipe {
    let path = format!("recipes/{name}/recipe.yaml");
    draft(&path, &read(&path), name).unwrap().resolve(None).unwrap()
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
    check(
        ("title: Tiny\n", ""),
        expect!["r.yaml:1:7: the key `title` is missing here; add it, or `extends:` a recipe"],
    );
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
        expect![
            "r.yaml:8:8: `alignment-mib` must be a multiple of 2 where there is a `dax-header`"
        ],
    );
    check(
        ("source-date-epoch: 0", "source-date-epoch: -5"),
        expect!["r.yaml:4:20: -5 is no `source-date-epoch`: seconds from 1970 to 2106"],
    );
    let text = RECIPE.replace("packages: [busybox]", "packages: [busybox]\n  without: [busybox]");
    let recipe = Recipe::parse("r.yaml", &text, "tiny").unwrap();
    let error = recipe.select(None, None, None, "x86_64").unwrap_err().to_string();
    assert_eq!(error, "tiny: `busybox` is in `packages` and in `without`; keep one of them");
}

#[test]
fn a_choice_that_the_recipe_lacks_is_explained() {
    let recipe = Recipe::parse("r.yaml", RECIPE, "tiny").unwrap();
    let error = recipe.select(None, Some(Init::Systemd), None, "x86_64").unwrap_err().to_string();
    assert_eq!(error, "tiny can't be built with `systemd` as init; it offers agent");
    let error = recipe.select(None, None, None, "m68k").unwrap_err().to_string();
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

const CHILD: &str = r#"name: child
extends: tiny
title: Child
base:
  packages: [musl]
  remove-packages: [busybox]
init:
  agent:
    files:
      - {path: /b, template: files/b.hbs}
variants:
  debug:
    packages: [strace]
    kernel-parameters: [agent.debug_console]
  bare:
    remove-packages: [musl]
"#;

fn child(parent: &str, text: &str) -> Result<Recipe, recipe::Problem> {
    let parent = Recipe::parse("recipes/tiny/recipe.yaml", parent, "tiny").unwrap();
    let draft = Draft::parse("r.yaml", text, "child")?;
    assert_eq!(draft.extends(), Some("tiny"));
    draft.resolve(Some(&parent))
}

#[test]
fn a_recipe_stands_on_what_it_extends() {
    let parent = RECIPE.replace("content: x", "copy: files/a");
    let recipe = child(&parent, CHILD).unwrap();
    assert_eq!((recipe.name.as_str(), recipe.title.as_str()), ("child", "Child"));
    assert_eq!(recipe.version, "1");
    // The parent's file is sought in the parent's folder.
    assert_eq!(recipe.named_files(), ["/tiny/files/a", "files/b.hbs"]);
    let packages = |variant| recipe.select(None, None, variant, "x86_64").unwrap().layer.packages;
    assert_eq!(packages(None), ["musl"]);
    assert_eq!(packages(Some("debug")), ["musl", "strace"]);
    assert_eq!(packages(Some("bare")), Vec::<String>::new());
    let debug = recipe.select(None, None, Some("debug"), "x86_64").unwrap();
    assert_eq!(debug.layer.kernel_parameters, ["agent.debug_console"]);
    let error = recipe.select(None, None, Some("debgu"), "x86_64").unwrap_err().to_string();
    assert_eq!(error, "child has no variant `debgu`; did you mean `debug`?");
    let tiny = Recipe::parse("r.yaml", RECIPE, "tiny").unwrap();
    let error = tiny.select(None, None, Some("debug"), "x86_64").unwrap_err().to_string();
    assert_eq!(error, "tiny has no variant `debug`; it has none");
}

#[test]
fn mistakes_of_a_recipe_that_extends_are_placed() {
    let wrong = |from: &str, to: &str| {
        assert!(CHILD.contains(from));
        child(RECIPE, &CHILD.replace(from, to)).unwrap_err().to_string()
    };
    expect!["r.yaml:5:3: `remove-packages` names `busybix`, which no layer below asks for; did you mean `busybox`?"]
        .assert_eq(&wrong("[busybox]", "[busybix]"));
    expect!["r.yaml:13:5: `De bug` is no name of a variant: small letters, digits and `-`"]
        .assert_eq(&wrong("  debug:", "  De bug:"));
    expect!["r.yaml:9:5: `/etc/passwd` begins with `/`; name it below the recipe's folder"]
        .assert_eq(&wrong("files/b.hbs", "/etc/passwd"));
    let alone = Recipe::parse("r.yaml", CHILD, "child").unwrap_err().to_string();
    expect!["r.yaml:2:10: the recipe extends `tiny`, which is not at hand"].assert_eq(&alone);
}

/// The worked example of recipes/README.md is a recipe that holds.
#[test]
fn the_worked_example_of_the_readme_parses() {
    let readme = read("recipes/README.md");
    let (_, rest) = readme.split_once("```yaml\n# recipes/edge/recipe.yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let parent = of_the_repository("debian");
    let draft = draft("recipes/edge/recipe.yaml", example, "edge").unwrap();
    assert_eq!(draft.extends(), Some("debian"));
    let recipe = draft.resolve(Some(&parent)).unwrap();
    for variant in [None, Some("debug"), Some("trace")] {
        let layer = recipe.select(None, None, variant, "x86_64").unwrap().layer;
        assert_eq!(layer.packages.contains(&"strace".to_owned()), variant.is_some());
        assert!(!layer.packages.contains(&"iptables".to_owned()));
        assert!(layer.packages.contains(&"systemd".to_owned()));
    }
}

#[test]
fn an_extension_stands_alone_but_for_what_guests_do_without() {
    let text = RECIPE.replace(
        "init:\n",
        "extensions:\n  tools: {packages: [strace], exclude: [usr/share/x]}\ninit:\n",
    );
    let text =
        text.replace("packages: [busybox]", "packages: [busybox]\n  exclude: [usr/share/doc]");
    let recipe = Recipe::parse("r.yaml", &text, "tiny").unwrap();
    let selection = recipe.select_extension("tools", "x86_64").unwrap();
    assert_eq!(selection.layer.packages, ["strace"]);
    assert_eq!(selection.layer.exclude, ["usr/share/doc", "usr/share/x"]);
    assert!(selection.layer.files.is_empty());
    let wrong = recipe.select_extension("tool", "x86_64").unwrap_err();
    assert_eq!(wrong.to_string(), "tiny has no extension `tool`; did you mean `tools`?");
    check(
        ("init:\n", "extensions: {eleven-char: {}}\ninit:\n"),
        expect![
            "r.yaml:12:27: `eleven-char` is no name of an extension: 10 small letters, digits and `-` at most"
        ],
    );
}
