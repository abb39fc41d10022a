//! What a lock may say, and how its mistakes look.

use super::*;
use crate::Recipe;
use expect_test::{Expect, expect};

fn package(name: &str, version: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: version.into(),
        architecture: "amd64".into(),
        location: format!("pool/{name}_{version}_amd64.deb"),
        size: 7,
        sha256: "ab".repeat(32),
        control_sha1: None,
        signed_by: "0123 # a key: 'of' \"theirs\"".into(),
        source: name.into(),
        license: Some("GPL-2.0-or-later AND (MIT OR null)".into()),
        replaces: vec![],
    }
}

fn choice(name: &str) -> LockedChoice {
    LockedChoice { name: name.into(), version: None, needed_by: None, requirement: None }
}

fn sample() -> Lock {
    let mut b = package("b", "2:1.0~rc1-1+b1");
    b.replaces = vec!["a".into()];
    b.control_sha1 = Some("cd".repeat(20));
    let needed = LockedChoice {
        needed_by: Some("a".into()),
        requirement: Some("b (>= 1) | c".into()),
        ..choice("b")
    };
    Lock {
        format: LOCK_FORMAT,
        distro: "fixture".into(),
        architecture: "x86_64".into(),
        repository: LockedRepository {
            description: "Fixture sample main amd64".into(),
            signed_by: vec!["0123".into()],
            indexes: vec![LockedIndex {
                path: "dists/sample/InRelease".into(),
                date: Some(1_754_735_274),
                sha256: "12".repeat(32),
            }],
            sha256: "12".repeat(32),
        },
        selections: BTreeMap::from([(
            "agent".to_owned(),
            LockedSelection {
                asked: vec!["a".into()],
                without: vec![],
                packages: vec![choice("a"), needed],
            },
        )]),
        // A version that YAML would take for a number, were it not quoted.
        packages: vec![package("a", "1.0"), b],
    }
}

fn check(edit: impl Fn(&str) -> String, expected: &Expect) {
    let text = edit(&sample().to_text());
    let problem = Lock::parse("lock/x86_64.yaml", &text, "fixture", "x86_64").unwrap_err();
    expected.assert_eq(&problem.to_string());
}

#[test]
fn what_was_written_is_read() {
    let lock = sample();
    let text = lock.to_text();
    let again = Lock::parse("x", &text, "fixture", "x86_64").unwrap();
    assert_eq!(again, lock);
    assert_eq!(again.to_text(), text);
    assert_eq!(lock.package(&choice("b")).unwrap().version, "2:1.0~rc1-1+b1");
}

#[test]
fn mistakes_are_named() {
    check(
        |text| text.replace("format: 1", "format: 9"),
        &expect![
            "lock/x86_64.yaml:3:9: this lock has format 9, not 1; make it anew with `cargo xtask lock`"
        ],
    );
    check(
        |text| text.replace("distro: fixture", "distro: debian"),
        &expect!["lock/x86_64.yaml:4:9: this lock is of the recipe `debian`, not `fixture`"],
    );
    check(
        |text| text.replace(&"ab".repeat(32), "abc"),
        &expect!["lock/x86_64.yaml:25:3: a `sha256` must be 64 lower-case hexadecimal digits"],
    );
    check(
        |text| text.replace(&"cd".repeat(20), "no"),
        &expect![
            "lock/x86_64.yaml:34:3: a `control-sha1` must be 40 lower-case hexadecimal digits"
        ],
    );
    check(
        |text| text.replace("pool/a_", "../a_"),
        &expect![
            "lock/x86_64.yaml:25:3: the location `../a_1.0_amd64.deb` is no path below a mirror"
        ],
    );
    check(
        |text| text.replace("size: 7", "sise: 7"),
        &expect!["lock/x86_64.yaml:29:3: unknown key `sise`; did you mean `size`?"],
    );
    check(
        |text| text.replacen("- name: b", "- name: bb", 1),
        &expect!["lock/x86_64.yaml:17:5: the package `bb` is not below `packages`, once"],
    );
}

#[test]
fn a_selection_that_asks_for_something_else_is_told() {
    const RECIPE: &str = "name: fixture\ntitle: F\nversion: '1'\nsource-date-epoch: 0\n\
        repository: {apk: {release: v, repositories: [main], mirrors: [], keys: []}}\n\
        architectures: {x86_64: x86_64}\ndefault-type: initrd\n\
        default-init: {initrd: agent, image: agent}\nbase: {packages: [PACKAGES]}\n\
        init: {agent: {}}\nvariants: {debug: {}}\n";
    let select = |packages: &str, variant: Option<&str>| {
        let text = RECIPE.replace("PACKAGES", packages);
        let recipe = Recipe::parse("recipe.yaml", &text, "fixture").unwrap();
        recipe.select(None, None, variant, "x86_64").unwrap()
    };
    let lock = sample();
    assert_eq!(lock.selection(&select("a", None)).unwrap().packages.len(), 2);
    let said = |packages, variant| lock.selection(&select(packages, variant)).unwrap_err();
    assert_eq!(said("a, d", None), "the recipe asks for `d`, and the lock was made before that");
    assert_eq!(said("", None), "the lock asks for `a`, and the recipe no longer");
    assert_eq!(said("a", Some("debug")), "it holds nothing for `agent/debug`");
}
