//! The repositories that recipes name, above all those of the rpm family, and
//! the mistakes people make in them.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]
#![allow(clippy::needless_pass_by_value, reason = "expect! makes temporaries")]

use expect_test::{Expect, expect};
use recipe::{Recipe, RepositorySource, RpmIndex};

const RECIPE: &str = r#"name: tiny
title: Tiny
version: "1"
source-date-epoch: 0
repository:
  rpm:
    release: 10-stream
    repositories:
      - "{release}/BaseOS/{arch}/os"
      - "{release}/AppStream/{arch}/os"
    mirrors: [http://one.example.org]
    other-mirrors:
      - architectures: [s390x]
        mirrors: [http://other.example.org/ports]
    keys: [keys/official]
    index: signed
architectures: {x86_64: x86_64, aarch64: arm, s390x: s390x}
default-type: initrd
default-init: {initrd: agent, image: agent}
base: {}
init: {agent: {}}
"#;

fn parsed(change: (&str, &str)) -> Result<Recipe, recipe::Problem> {
    assert_eq!(RECIPE.matches(change.0).count(), 1, "{change:?}");
    Recipe::parse("r.yaml", &RECIPE.replace(change.0, change.1), "tiny")
}

fn check(change: (&str, &str), expected: Expect) {
    expected.assert_eq(&parsed(change).unwrap_err().to_string());
}

#[test]
fn paths_are_filled_in_and_some_architectures_have_their_own_mirrors() {
    let recipe = Recipe::parse("r.yaml", RECIPE, "tiny").unwrap();
    let source = &recipe.repository;
    let RepositorySource::Rpm(rpm) = source else { panic!("{source:?}") };
    assert_eq!(rpm.paths("arm"), ["10-stream/BaseOS/arm/os", "10-stream/AppStream/arm/os"]);
    assert_eq!(source.mirrors("x86_64"), ["http://one.example.org"]);
    assert_eq!(source.mirrors("s390x"), ["http://other.example.org/ports"]);
    assert_eq!(source.host_mirror("x86_64"), None);
}

#[test]
fn what_vouches_for_packages_is_one_of_three() {
    let index = |text: &str| -> Result<RpmIndex, String> {
        let recipe = parsed(("index: signed", text)).map_err(|problem| problem.to_string())?;
        match recipe.repository {
            RepositorySource::Rpm(rpm) => Ok(rpm.index),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(index("index: signed-packages"), Ok(RpmIndex::SignedPackages));
    expect!["r.yaml:16:12: unknown value `singed`; did you mean `signed`?"]
        .assert_eq(&index("index: singed").unwrap_err());
    expect!["r.yaml:15:5: the key `index` is missing here; add it"]
        .assert_eq(&index("").unwrap_err());
    expect!["r.yaml:16:13: a pinned digest is that of one repository"]
        .assert_eq(&index("index: {pinned-sha256: {}}").unwrap_err());
}

const TWO: &str = "    repositories:
      - \"{release}/BaseOS/{arch}/os\"
      - \"{release}/AppStream/{arch}/os\"
";

#[test]
fn pinned_digests_are_digests_of_architectures() {
    let pinned = |digests: &str| {
        let text = RECIPE
            .replace(TWO, "    repositories: [os]\n")
            .replace("index: signed", &format!("index: {{pinned-sha256: {{{digests}}}}}"));
        Recipe::parse("r.yaml", &text, "tiny").map(|_| ()).map_err(|problem| problem.to_string())
    };
    assert_eq!(pinned(""), Ok(()));
    assert_eq!(pinned(&format!("x86_64: {}", "0a".repeat(32))), Ok(()));
    expect!["r.yaml:14:38: `0A` is no SHA-256: 64 lower-case hexadecimal digits"]
        .assert_eq(&pinned("x86_64: \"0A\"").unwrap_err());
    let message = pinned(&format!("x86-64: {}", "0a".repeat(32))).unwrap_err();
    expect!["r.yaml:14:29: `pinned-sha256` names `x86-64`, no architecture of the recipe; did you mean `x86_64`?"]
        .assert_eq(&message);
}

#[test]
fn mistakes_are_named_with_place_and_nearest_word() {
    check(
        ("{release}/AppStream/{arch}/os", "{release}/AppStream/{arhc}/os"),
        expect!["r.yaml:10:10: `{arhc}` stands for nothing in a path; did you mean `{arch}`?"],
    );
    check(
        ("{release}/AppStream/{arch}/os", "../{arch}"),
        expect!["r.yaml:10:10: `../{arch}` is no plain path below a mirror, such as `os/{arch}`"],
    );
    check(
        ("architectures: [s390x]", "architectures: [s390]"),
        expect![
            "r.yaml:13:25: `other-mirrors` names `s390`, no architecture of the recipe; did you mean `s390x`?"
        ],
    );
    check(
        ("    keys: [keys/official]\n", ""),
        expect!["r.yaml:15:5: without `keys` nothing vouches for the packages"],
    );
    check((TWO, "    repositories: []\n"), expect!["r.yaml:8:5: there is no repository to read"]);
    check(
        ("    release: 10-stream", "    relase: 10-stream"),
        expect!["r.yaml:7:5: unknown key `relase`; did you mean `release`?"],
    );
}
