//! Layers that several recipes include: what comes of them, and the mistakes
//! people make in them.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use expect_test::expect;
use recipe::{Draft, Init, Layer, Recipe};
use std::collections::BTreeMap;

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
  include: [shared/layers/one.yaml, shared/layers/two.yaml]
  packages: [own]
  remove-packages: [first]
init:
  agent: {}
variants:
  debug:
    include: [shared/layers/two.yaml]
"#;

const ONE: &str = "packages: [first, second]\nwithout: [own, other]\nremove: [tmp/one]\n";
const TWO: &str = "packages: [third]\nremove: [tmp/two]\n";

fn layers(texts: &[(&str, &str)]) -> BTreeMap<String, Layer> {
    let parse = |name: &str, text: &str| (name.to_owned(), Layer::parse(name, text).unwrap());
    texts.iter().map(|(name, text)| parse(name, text)).collect()
}

#[test]
fn what_is_included_comes_first_and_can_be_taken_out() {
    let draft = Draft::parse("r.yaml", RECIPE, "tiny").unwrap();
    assert_eq!(draft.includes(), ["shared/layers/one.yaml", "shared/layers/two.yaml"]);
    let all = layers(&[("shared/layers/one.yaml", ONE), ("shared/layers/two.yaml", TWO)]);
    let recipe = draft.including(&all).unwrap().resolve(None).unwrap();
    let layer = recipe.select(None, Some(Init::Agent), None, "x86_64").unwrap().layer;
    assert_eq!(layer.packages, ["second", "third", "own"]);
    assert_eq!(layer.without, ["other"], "what the recipe asks for is no longer left out");
    assert_eq!(layer.remove, ["tmp/one", "tmp/two"]);
    assert_eq!(layer.include, Vec::<String>::new());
    let debug = recipe.select(None, None, Some("debug"), "x86_64").unwrap().layer;
    assert_eq!(debug.packages, ["second", "third", "own", "third"]);
}

#[test]
fn a_layer_that_is_not_there_is_named_with_its_place() {
    let draft = Draft::parse("r.yaml", RECIPE, "tiny").unwrap();
    let error = draft.including(&layers(&[("shared/layers/one.yaml", ONE)])).unwrap_err();
    expect!["r.yaml:11:37: the layer `shared/layers/two.yaml` is not at hand"]
        .assert_eq(&error.to_string());
    // Nor is a recipe whole that was never given its layers.
    let error = Recipe::parse("r.yaml", RECIPE, "tiny").unwrap_err();
    expect!["r.yaml:11:13: the layer `shared/layers/one.yaml` is not at hand"]
        .assert_eq(&error.to_string());
}

#[test]
fn mistakes_in_a_layer_are_named() {
    let said = |text: &str| Layer::parse("l.yaml", text).unwrap_err().to_string();
    expect!["l.yaml:1:1: unknown key `pakages`; did you mean `packages`?"]
        .assert_eq(&said("pakages: []\n"));
    expect!["l.yaml:1:11: a shared layer includes no other"]
        .assert_eq(&said("include: [shared/layers/x.yaml]\n"));
    expect!["l.yaml:2:22: a shared layer has no folder: `files/a` must begin with `shared/`"]
        .assert_eq(&said("files:\n  - {path: /a, copy: files/a}\n"));
    expect!["l.yaml:2:12: the file /a needs one of `content`, `template`, `copy`"]
        .assert_eq(&said("files:\n  - {path: /a}\n"));
}
