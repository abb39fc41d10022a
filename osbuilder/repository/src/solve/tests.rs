//! Small universes, one a rule. Packages are written as control paragraphs,
//! shortened to what the solver reads.

use expect_test::{Expect, expect};

use super::*;
use crate::deb::packages;
use crate::package::{Comparison, Family, Requirement};

/// `name version; Field: value; …`, one package a line.
fn universe(text: &str) -> Vec<Package> {
    let mut control = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        control += &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nFilename: {name}\nSize: 1\n\
             SHA256: {}\n",
            "00".repeat(32)
        );
        parts.for_each(|field| control += &format!("{field}\n"));
        control.push('\n');
    }
    packages::parse(control.as_bytes(), "amd64").unwrap()
}

fn want(text: &str) -> Vec<Wanted> {
    let control = format!("x 1; Depends: {text}");
    universe(&control)[0]
        .depends
        .iter()
        .map(|requirement| Wanted {
            relation: requirement.alternatives[0].clone(),
            why: "asked for by the recipe".to_owned(),
        })
        .collect()
}

fn answer(packages: &[Package], wanted: &[Wanted], exceptions: &Exceptions) -> String {
    match solve(packages, wanted, exceptions) {
        Err(error) => error.to_string(),
        Ok(selected) => selected
            .iter()
            .map(|s| {
                let package = &packages[s.index];
                let because = match &s.because {
                    Reason::Asked(_) => "asked".to_owned(),
                    Reason::DependencyOf { package, requirement } => {
                        format!("{} needs {requirement}", packages[*package].name)
                    }
                };
                format!("{} {}: {because}", package.name, package.version)
            })
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn check(text: &str, wanted: &str, expected: &Expect) {
    let packages = universe(text);
    expected.assert_eq(&answer(&packages, &want(wanted), &Exceptions::default()));
}

#[test]
fn dependencies_come_along_with_their_reasons() {
    check(
        "app 1; Depends: lib (>= 2), tool
         lib 1
         lib 3
         lib 2
         tool 1; Pre-Depends: lib
         other 1",
        "app, tool",
        &expect![[r#"
            app 1: asked
            lib 3: app needs lib (>= 2)
            tool 1: asked"#]],
    );
}

#[test]
fn earlier_alternatives_come_first_unless_they_can_not() {
    let text = "app 1; Depends: b | a
         a 1
         b 1
         app2 1; Depends: gone | a
         app3 1; Depends: bad | a
         bad 1; Depends: gone";
    check(
        text,
        "app",
        &expect![[r#"
        app 1: asked
        b 1: app needs b | a"#]],
    );
    check(
        text,
        "app2",
        &expect![[r#"
        a 1: app2 needs gone | a
        app2 1: asked"#]],
    );
    check(
        text,
        "app3",
        &expect![[r#"
        a 1: app3 needs bad | a
        app3 1: asked"#]],
    );
    // What is there anyway is not doubled by a preferred alternative.
    check(
        text,
        "app, a",
        &expect![[r#"
        a 1: asked
        app 1: asked"#]],
    );
}

#[test]
fn real_packages_come_before_providers_and_those_by_name() {
    check(
        "app 1; Depends: mta
         exim 9; Provides: mta
         mta 1",
        "app",
        &expect![[r#"
            app 1: asked
            mta 1: app needs mta"#]],
    );
    check(
        "app 1; Depends: mta
         zmail 9; Provides: mta
         exim 1; Provides: mta
         exim 2; Provides: mta",
        "app",
        &expect![[r#"
            app 1: asked
            exim 2: app needs mta"#]],
    );
}

#[test]
fn provided_versions_must_match() {
    let text = "old 1; Provides: abi (= 1)
         new 1; Provides: abi (= 2)
         bare 1; Provides: abi
         app 1; Depends: abi (>= 2)
         app2 1; Depends: abi (>= 3)";
    check(
        text,
        "app",
        &expect![[r#"
        app 1: asked
        new 1: app needs abi (>= 2)"#]],
    );
    check(
        text,
        "app2",
        &expect![[r#"
        cannot install app2 (asked for by the recipe):
          app2 1 needs abi (>= 3), but the repository has bare 1 as abi without a version, new 1 as abi 2, old 1 as abi 1"#]],
    );
}

#[test]
fn conflicts_are_kept_apart_but_not_from_oneself() {
    check(
        "exim 1; Provides: mta; Conflicts: mta
         app 1; Depends: mta",
        "app, exim",
        &expect![[r#"
            app 1: asked
            exim 1: asked"#]],
    );
    // An older version is taken where the newest conflicts.
    check(
        "app 1; Breaks: lib (>= 2)
         lib 2
         lib 1
         user 1; Depends: lib",
        "app, user",
        &expect![[r#"
            app 1: asked
            lib 1: user needs lib
            user 1: asked"#]],
    );
    // A later alternative is taken where the first conflicts.
    check(
        "app 1; Conflicts: b
         user 1; Depends: b | c
         b 1
         c 1",
        "user, app",
        &expect![[r#"
            app 1: asked
            c 1: user needs b | c
            user 1: asked"#]],
    );
    check(
        "exim 1; Provides: mta; Conflicts: mta
         postfix 1; Provides: mta; Conflicts: mta",
        "exim, postfix",
        &expect![[r#"
            cannot install postfix (asked for by the recipe):
              postfix 1 conflicts with exim 1, which is asked for by the recipe"#]],
    );
}

#[test]
fn a_choice_is_taken_back_when_it_leads_nowhere() {
    check(
        "app 1; Depends: a | b, c
         a 1; Conflicts: d
         b 1
         c 1; Depends: d
         d 1",
        "app",
        &expect![[r#"
            app 1: asked
            b 1: app needs a | b
            c 1: app needs c
            d 1: c needs d"#]],
    );
}

#[test]
fn cycles_and_self_dependencies_are_fine() {
    check(
        "a 1; Depends: b, a, virtual; Provides: virtual
         b 1; Depends: a (= 1)",
        "a",
        &expect![[r#"
            a 1: asked
            b 1: a needs b"#]],
    );
}

#[test]
fn unknown_names_get_suggestions() {
    let text = "chrony 1
         chronyd-ng 1
         bash 1";
    check(
        text,
        "chorny",
        &expect![
            "there is no package chorny (asked for by the recipe); did you mean chrony or chronyd-ng?"
        ],
    );
    check(text, "zzz", &expect!["there is no package zzz (asked for by the recipe)"]);
}

#[test]
fn what_is_missing_is_told_as_a_tree() {
    check(
        "chrony 4.6; Depends: libc, libseccomp2 (>= 9)
         libseccomp2 2.6.0
         libc 1",
        "chrony",
        &expect![[r#"
            cannot install chrony (asked for by the recipe):
              chrony 4.6 needs libseccomp2 (>= 9), but the repository has libseccomp2 2.6.0"#]],
    );
    check(
        "app 1; Depends: mid
         mid 2; Depends: low | other
         mid 1; Depends: gone
         low 1; Depends: gone (>= 1) | gone2
         other 1; Depends: low",
        "app",
        &expect![[r#"
            cannot install app (asked for by the recipe):
              app 1 needs mid:
                mid 2 needs low | other:
                  low 1 needs gone (>= 1) | gone2, but no package is or provides gone and no package is or provides gone2
                  other 1 needs low:
                    low 1 can't be installed, as told above
                mid 1 needs gone, but no package is or provides gone"#]],
    );
    check(
        "a 1",
        "a (>= 2)",
        &expect![[r#"
        cannot install a (>= 2) (asked for by the recipe):
          the repository has a 1"#]],
    );
}

#[test]
fn conflicts_further_down_are_told_with_what_forces_them() {
    check(
        "app 1; Depends: ssl3
         tool 1; Depends: ssl
         ssl 1; Breaks: ssl3
         ssl3 1",
        "app, tool",
        &expect![[r#"
            cannot install tool (asked for by the recipe):
              tool 1 needs ssl:
                ssl 1 conflicts with ssl3 1, which is needed by app 1"#]],
    );
    check(
        "app 1; Depends: lib (= 1)
         tool 1; Depends: lib (= 2)
         lib 1
         lib 2",
        "app, tool",
        &expect![[r#"
            cannot install tool (asked for by the recipe):
              tool 1 needs lib (= 2):
                lib 2 can't be next to lib 1, which is needed by app 1"#]],
    );
    // Neither name has a single choice that would show the contradiction.
    check(
        "p1 1; Provides: p; Conflicts: q1, q2
         p2 1; Provides: p; Conflicts: q1, q2
         q1 1; Provides: q
         q2 1; Provides: q",
        "p, q",
        &expect![[r#"
            cannot install all of these together, whichever packages are chosen:
              p (asked for by the recipe)
              q (asked for by the recipe)"#]],
    );
}

#[test]
fn exceptions_forbid_and_assume() {
    let packages = universe(
        "app 1; Depends: init | sysv, perl (>= 5)
         init 1
         sysv 1
         perl 5",
    );
    let run = |exclude: &[&str], assume: &[(&str, Option<&str>)]| {
        let exceptions = Exceptions {
            exclude: exclude.iter().map(ToString::to_string).collect(),
            assume: assume
                .iter()
                .map(|(name, version)| Provide {
                    name: (*name).to_owned(),
                    version: version.map(str::to_owned),
                })
                .collect(),
        };
        answer(&packages, &want("app"), &exceptions)
    };
    expect![[r#"
        app 1: asked
        perl 5: app needs perl (>= 5)
        sysv 1: app needs init | sysv"#]]
    .assert_eq(&run(&["init"], &[]));
    expect![[r#"
        cannot install app (asked for by the recipe):
          app 1 needs perl (>= 5), but perl is excluded"#]]
    .assert_eq(&run(&["perl"], &[]));
    expect![[r#"
        app 1: asked
        init 1: app needs init | sysv"#]]
    .assert_eq(&run(&["perl"], &[("perl", Some("5.40"))]));
    // A versionless assumption does not meet a constraint.
    expect![[r#"
        cannot install app (asked for by the recipe):
          app 1 needs perl (>= 5), but perl is excluded"#]]
    .assert_eq(&run(&["perl"], &[("perl", None)]));
    expect!["there is no package app (asked for by the recipe)"].assert_eq(&run(&["app"], &[]));
}

/// An apk package: depends, provides with versions or without.
fn apk(
    name: &str,
    version: &str,
    depends: &[Relation],
    provides: &[(&str, Option<&str>)],
) -> Package {
    let mut package = universe(&format!("{name} 1")).remove(0);
    package.family = Family::Apk;
    package.version = version.to_owned();
    package.depends =
        depends.iter().map(|r| Requirement { alternatives: vec![r.clone()] }).collect();
    package.provides = provides
        .iter()
        .map(|(name, version)| Provide {
            name: (*name).to_owned(),
            version: version.map(str::to_owned),
        })
        .collect();
    package
}

#[test]
fn apk_orders_versions_its_own_way_and_names_have_one_owner() {
    let so = Relation {
        name: "so:libssl.so.3".to_owned(),
        constraint: Some((Comparison::GreaterEqual, "3.0".to_owned())),
    };
    let packages = [
        apk("app", "1.0-r0", &[so], &[]),
        apk("openssl", "3.1_rc1-r0", &[], &[("so:libssl.so.3", Some("3.1"))]),
        apk("openssl", "3.1-r0", &[], &[("so:libssl.so.3", Some("3.1"))]),
        apk("otherssl", "1-r0", &[], &[("so:libssl.so.3", Some("3.2")), ("tls", None)]),
        apk("moretls", "1-r0", &[], &[("tls", None)]),
    ];
    let run = |wanted: &str| answer(&packages, &want(wanted), &Exceptions::default());
    // `_rc1` is older than the release in apk; dpkg would say the opposite.
    expect![[r#"
        app 1.0-r0: asked
        openssl 3.1-r0: app needs so:libssl.so.3 (>= 3.0)"#]]
    .assert_eq(&run("app"));
    expect![[r#"
        moretls 1-r0: asked
        otherssl 1-r0: asked"#]]
    .assert_eq(&run("otherssl, moretls"));
    expect![[r#"
        cannot install openssl (asked for by the recipe):
          openssl 3.1-r0 conflicts with otherssl 1-r0, which is asked for by the recipe
          openssl 3.1_rc1-r0 conflicts with otherssl 1-r0, which is asked for by the recipe"#]]
    .assert_eq(&run("openssl, otherssl"));
}

#[test]
fn the_answer_does_not_depend_on_the_order_of_packages() {
    let text = "app 1; Depends: mta, lib | old, x
         exim 1; Provides: mta, x
         postfix 2; Provides: mta
         lib 1; Depends: x
         lib 2; Depends: x
         old 1
         y 1; Provides: x";
    let forward = universe(text);
    let mut backward = forward.clone();
    backward.reverse();
    let wanted = want("app");
    let expected = answer(&forward, &wanted, &Exceptions::default());
    for _ in 0..20 {
        assert_eq!(answer(&backward, &wanted, &Exceptions::default()), expected);
    }
    expect![[r#"
        app 1: asked
        exim 1: app needs mta
        lib 2: app needs lib | old"#]]
    .assert_eq(&expected);
}

#[test]
fn only_chosen_versions_that_are_meant_are_replaced() {
    let packages = universe(
        "new 1; Replaces: old (<< 2), older (<< 2), gone, virtual, any\n\
         old 1\nolder 2\ngone 1\nprovider 1; Provides: virtual\nany 3",
    );
    let chosen: Vec<&Package> = packages.iter().filter(|p| p.name != "gone").rev().collect();
    assert_eq!(replaced(&chosen, &packages[0].replaces), ["any", "old"]);
    assert_eq!(replaced(&chosen, &[]), [""; 0]);
}
