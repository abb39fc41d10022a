//! `sizes`: where the bytes are, as text, drawn, and since an earlier build.

use super::{ask, check, document};
use crate::fixture::{Fixture, Tar};
use expect_test::expect;
use std::fs;

const SIZES: [&str; 7] = ["sizes", "--distro", "fixture", "--arch", "x86_64", "--out", "out"];

#[test]
fn as_text() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    check(
        &fixture,
        &SIZES,
        &expect![[r#"
        exit 0
        kata-fixture-1.initrd: 243 B in 21 entries

             bytes  share  entries  package
             127 B  52.3%        4  builder
              71 B  29.2%        5  recipe
              30 B  12.3%        9  base
               9 B   3.7%        2  library
               6 B   2.5%        1  tool

             bytes  share  entries  directory
             151 B  62.1%        5  /usr/bin
              83 B  34.2%        5  /etc
               9 B   3.7%        1  /usr/lib
               0 B   0.0%        7  /
               0 B   0.0%        1  /sbin
               0 B   0.0%        2  /usr
    "#]],
    );
    // The same of a file, whichever of the three is named.
    let whole = document(&fixture, &SIZES);
    for ending in ["", ".manifest.json", ".contents.json"] {
        let file = format!("out/kata-fixture-1.initrd{ending}");
        assert_eq!(document(&fixture, &["sizes", &file]), whole, "{file}");
    }
}

#[test]
fn since_an_earlier_build() {
    let mut fixture = Fixture::new();
    fixture.build(&["--out", "before"]);
    let files = Tar::default().file("./usr/lib/library.so", 0o644, &[7; 5000]);
    fixture.repository.package("library").files = files;
    fixture.publish();
    fixture.build(&["--update"]);
    let earlier = ["--compare", "before/kata-fixture-1.initrd"];
    let ran = ask(&fixture, &[&SIZES[..], &earlier].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let since = ran.stdout.find("since ").unwrap();
    expect![[r#"
        since before/kata-fixture-1.initrd:
                 +4991 bytes  library
    "#]]
    .assert_eq(&ran.stdout[since..]);
    let same = ["--compare", "out/kata-fixture-1.initrd"];
    let ran = ask(&fixture, &[&SIZES[..], &same].concat());
    assert!(ran.stdout.ends_with("  nothing changed\n"), "{}", ran.stdout);
}

#[test]
fn drawn() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    let drawn = ["--svg", "map.svg", "--html", "page.html"];
    let ran = ask(&fixture, &[&SIZES[..], &drawn].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let svg = fs::read_to_string(fixture.path("map.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let text: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
    assert!(text.iter().any(|text| text.contains("agent") || text.contains("builder")), "{text:?}");
    let page = fs::read_to_string(fixture.path("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("<td>base"), "{page}");
}

#[test]
fn of_nothing() {
    let fixture = Fixture::new();
    check(
        &fixture,
        &SIZES,
        &expect![[r#"
        exit 1
        error: there is no list of contents beside out/kata-fixture-1.initrd; `cargo xtask build-image` makes it with the artifact
    "#]],
    );
    check(
        &fixture,
        &["sizes", "versions.yaml"],
        &expect![[r#"
        exit 1
        error: there is no list of contents beside versions.yaml; `cargo xtask build-image` makes it with the artifact
    "#]],
    );
}
