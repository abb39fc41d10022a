//! What recipes say of an artifact's form, and what callers may say in its place.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use recipe::{Compression, Filesystem, Form, FormChoice, ImageForm, Recipe, Type};

fn text(settings: &str) -> String {
    format!(
        r#"name: tiny
title: Tiny
version: "1"
source-date-epoch: 0
repository:
  apk: {{release: v1, repositories: [main], mirrors: [], keys: []}}
architectures: {{x86_64: x86_64}}
default-type: initrd
default-init: {{initrd: agent, image: agent}}
{settings}
base: {{}}
init: {{agent: {{}}}}
"#
    )
}

fn recipe(settings: &str) -> Recipe {
    Recipe::parse("r.yaml", &text(settings), "tiny").unwrap()
}

fn mistake(settings: &str) -> String {
    Recipe::parse("r.yaml", &text(settings), "tiny").unwrap_err().to_string()
}

fn choice(filesystem: Option<Filesystem>, compression: Option<Compression>) -> FormChoice {
    FormChoice { filesystem, compression }
}

fn image(recipe: &Recipe, choice: FormChoice) -> ImageForm {
    match recipe.form(Type::Image, choice).unwrap() {
        Form::Image(form) => form,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_said_is_an_ext4_that_dax_can_map() {
    let form = image(&recipe(""), FormChoice::default());
    assert_eq!(form.filesystem, Filesystem::Ext4);
    assert_eq!((form.free_space_mib, form.alignment_mib), (4, 2));
    assert!(form.dax());
}

#[test]
fn the_recipe_s_own_form_and_one_in_its_place() {
    let recipe = recipe("image: {filesystem: erofs, erofs: {compression: lz4hc}}");
    let usual = image(&recipe, FormChoice::default());
    assert_eq!((usual.filesystem, usual.compression), (Filesystem::Erofs, Compression::Lz4hc));
    assert!(usual.dax_header && !usual.dax());
    let plain = image(&recipe, choice(None, Some(Compression::None)));
    assert!(plain.dax());
    let ext4 = image(&recipe, choice(Some(Filesystem::Ext4), None));
    assert_eq!((ext4.filesystem, ext4.compression), (Filesystem::Ext4, Compression::None));
    let disk = self::recipe("image: {dax-header: false, alignment-mib: 1}");
    assert!(!image(&disk, FormChoice::default()).dax());
    let suffix = |form: &ImageForm| recipe.form_suffix(&Form::Image(form.clone()));
    assert_eq!([suffix(&usual), suffix(&plain), suffix(&ext4)], ["", "-erofs", "-ext4"]);
    let initrd = |compression| recipe.form(Type::Initrd, choice(None, Some(compression))).unwrap();
    assert_eq!(recipe.form_suffix(&initrd(Compression::Xz)), "-xz");
    assert_eq!(recipe.form_suffix(&initrd(Compression::Zstd)), "");
    assert_eq!(recipe.form(Type::Tar, FormChoice::default()).unwrap(), Form::Tar);
}

#[test]
fn forms_that_there_are_not_are_refused() {
    let recipe = recipe("");
    let refused = |kind, filesystem, compression| {
        recipe.form(kind, choice(filesystem, compression)).unwrap_err().to_string()
    };
    let lz4hc = Some(Compression::Lz4hc);
    for (error, expected) in [
        (
            refused(Type::Image, None, lz4hc),
            "ext4 can't be compressed with lz4hc; ask for the format erofs",
        ),
        (
            refused(Type::Image, Some(Filesystem::Erofs), Some(Compression::Zstd)),
            "an image can't be compressed with zstd; erofs images take lz4, lz4hc and none",
        ),
        (
            refused(Type::Initrd, None, lz4hc),
            "an initrd can't be compressed with lz4hc; zstd, gzip, xz, lz4 and none are for initrds",
        ),
        (
            refused(Type::Initrd, Some(Filesystem::Erofs), None),
            "erofs is no format of an initrd; it is one of images",
        ),
        (
            refused(Type::Tar, None, Some(Compression::Gzip)),
            "a tar can't be compressed with gzip; it is not compressed",
        ),
    ] {
        assert_eq!(error, expected);
    }
}

#[test]
fn mistakes_are_placed() {
    for (settings, expected) in [
        (
            "image: {filesystem: erofs, free-space-mib: 4}",
            "r.yaml:10:8: `free-space-mib` is for ext4: nothing is ever written into an erofs",
        ),
        (
            "image: {alignment-mib: 3}",
            "r.yaml:10:8: `alignment-mib` must be a multiple of 2 where there is a `dax-header`",
        ),
        (
            "image: {block-size: 512}",
            "r.yaml:10:8: `block-size` is 1024, 2048 or 4096 bytes, not 512",
        ),
        (
            "image: {block-size: 1024}",
            "r.yaml:10:8: `block-size` must be 4096 where there is a `dax-header`: DAX maps whole pages",
        ),
        (
            "image: {filesystem: erofs, block-size: 2048, dax-header: false}",
            "r.yaml:10:8: `block-size` is for ext4: an erofs has blocks of 4096 bytes",
        ),
        (
            "image: {erofs: {compression: xz}}",
            "r.yaml:10:8: `xz` is no compression of erofs: none, lz4 or lz4hc",
        ),
        (
            "initrd: {compression: lz4hc}",
            "r.yaml:10:9: `lz4hc` is no compression of initrds: zstd, gzip, xz, lz4 or none",
        ),
        (
            "image: {filesystem: erofs, label: sixteen letters!}",
            "r.yaml:10:8: `label` is longer than the 15 bytes that an erofs has room for",
        ),
        ("image: {label: seventeen letters}", "r.yaml:10:8: `label` is longer than 16 bytes"),
    ] {
        assert_eq!(mistake(settings), expected);
    }
    let unknown = mistake("image: {filesystem: eros}");
    assert!(unknown.contains("erofs"), "{unknown}");
}
