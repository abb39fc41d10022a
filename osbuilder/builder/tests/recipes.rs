//! The recipes of this repository as builds see them: every one loads with its
//! keys and files, and offers every architecture, type, init and variant that
//! it speaks of. What each comes to stands in `golden/`.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use expect_test::expect_file;
use osbuilder::{RecipeFolder, distros};
use recipe::{Init, RepositorySource, RpmIndex, Type, Versions};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recipes() -> PathBuf {
    root().join("recipes")
}

/// A recipe in few lines: where packages come from, and what each choice asks for.
fn described(folder: &RecipeFolder) -> String {
    let recipe = &folder.recipe;
    let mut out = format!("{} {}: {}\n", recipe.name, recipe.version, recipe.title);
    writeln!(out, "keys: {}", folder.key_places.join(" ")).unwrap();
    for (architecture, theirs) in &recipe.architectures {
        let mirrors = recipe.repository.mirrors(architecture).join(" ");
        let what = match &recipe.repository {
            RepositorySource::Apt(apt) => {
                [std::slice::from_ref(&apt.suite), &apt.updates[..]].concat()
            }
            RepositorySource::Apk(apk) => {
                apk.repositories.iter().map(|name| format!("{}/{name}", apk.release)).collect()
            }
            RepositorySource::Rpm(rpm) => rpm.paths(theirs),
        };
        writeln!(out, "{architecture} ({theirs}): {} of {mirrors}", what.join(", ")).unwrap();
    }
    for (kind, init) in &recipe.default_init {
        let usual = if *kind == recipe.default_type { ", the default" } else { "" };
        writeln!(out, "{kind}: {init} as PID 1{usual}").unwrap();
    }
    for init in inits(folder) {
        for variant in variants(folder) {
            let choice = (None, Some(init), variant.as_deref(), "x86_64");
            let selection = recipe.select(choice.0, choice.1, choice.2, choice.3).unwrap();
            let layer = &selection.layer;
            writeln!(out, "{init} {}:", variant.as_deref().unwrap_or("(no variant)")).unwrap();
            writeln!(out, "  packages: {}", layer.packages.join(" ")).unwrap();
            writeln!(out, "  without: {}", layer.without.join(" ")).unwrap();
            writeln!(out, "  parameters: {}", layer.kernel_parameters.join(" ")).unwrap();
        }
    }
    out
}

fn inits(folder: &RecipeFolder) -> Vec<Init> {
    let offered = |init: &Init| folder.recipe.select(None, Some(*init), None, "x86_64").is_ok();
    [Init::Agent, Init::Systemd].into_iter().filter(offered).collect()
}

/// No variant, and each that the recipe has.
fn variants(folder: &RecipeFolder) -> Vec<Option<String>> {
    let all = serde_json::to_value(&folder.recipe).unwrap();
    let named = all["variants"].as_object().unwrap().keys().cloned().map(Some);
    std::iter::once(None).chain(named).collect()
}

#[test]
fn every_recipe_offers_every_choice_that_it_speaks_of() {
    let names = distros(&recipes()).unwrap();
    for name in &names {
        let folder = RecipeFolder::load(&recipes(), name).unwrap();
        let recipe = &folder.recipe;
        assert!(recipe.architectures.contains_key("x86_64"), "{name}");
        for architecture in recipe.architectures.keys() {
            let mirrors = recipe.repository.mirrors(architecture);
            assert!(!mirrors.is_empty(), "{name} has no mirror for {architecture}");
            for kind in [Type::Initrd, Type::Image] {
                for init in [None].into_iter().chain(inits(&folder).into_iter().map(Some)) {
                    for variant in variants(&folder) {
                        let variant = variant.as_deref();
                        let chosen = recipe.select(Some(kind), init, variant, architecture);
                        let chosen = chosen.unwrap();
                        assert_eq!(chosen.init, init.unwrap_or(recipe.default_init[&kind]));
                        assert!(!chosen.layer.packages.is_empty());
                    }
                }
            }
        }
        let golden = format!("golden/{name}.txt");
        expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(golden)]
            .assert_eq(&described(&folder));
    }
}

#[test]
fn the_versions_database_knows_every_recipe() {
    let text = std::fs::read_to_string(root().join("versions.yaml")).unwrap();
    let versions = Versions::parse("versions.yaml", &text).unwrap();
    let known: Vec<_> = versions.distros.keys().cloned().collect();
    assert_eq!(known, distros(&recipes()).unwrap());
    for (name, distro) in &versions.distros {
        let folder = RecipeFolder::load(&recipes(), name).unwrap();
        assert_eq!(folder.recipe.version, distro.version, "{name}");
    }
}

#[test]
fn a_recipe_without_a_key_is_pinned() {
    for name in distros(&recipes()).unwrap() {
        let folder = RecipeFolder::load(&recipes(), &name).unwrap();
        let pinned = matches!(
            &folder.recipe.repository,
            RepositorySource::Rpm(rpm) if matches!(rpm.index, RpmIndex::PinnedSha256(_))
        );
        assert_eq!(folder.keys.is_empty(), pinned, "{name}");
    }
}
