//! `diff`: packages, files and bytes between two artifacts.

use super::{check, document};
use crate::fixture::{Deb, Fixture, Tar};
use expect_test::expect;

const DIFF: [&str; 3] = ["diff", "before/kata-fixture-1.initrd", "out/kata-fixture-1.initrd"];

/// Two builds, the second after `change`.
fn two(change: impl FnOnce(&mut Fixture)) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.build(&["--out", "before"]);
    change(&mut fixture);
    fixture.publish();
    fixture.build(&["--update"]);
    fixture
}

#[test]
fn nothing() {
    let fixture = two(|_| {});
    check(
        &fixture,
        &DIFF,
        &expect![[r#"
        exit 0
        kata-fixture-1.initrd -> kata-fixture-1.initrd
        the same, byte for byte
    "#]],
    );
}

#[test]
fn packages_and_files() {
    let fixture = two(|fixture| {
        let library = fixture.repository.package("library");
        library.version = "4.3".into();
        library.files = Tar::default()
            .file("./usr/lib/library.so", 0o644, b"a longer library")
            .file("./usr/lib/new.so", 0o4755, b"new");
        fixture.repository.package("base").files = Tar::default()
            .file("./usr/bin/sh", 0o755, b"a shell")
            .symlink("./usr/bin/dash", "sh")
            .owned("./etc/secret", 0o600, (7, 7), b"for few eyes")
            .symlink("./bin", "usr/bin");
        fixture.repository.packages.push(Deb::new("extra", "1"));
        fixture.edit_recipe("    - tool\n", "    - tool\n    - extra\n");
    });
    check(
        &fixture,
        &DIFF,
        &expect![[r#"
        exit 0
        kata-fixture-1.initrd -> kata-fixture-1.initrd
        artifact: 3.0 KiB -> 3.0 KiB (+0 B)
        files: 243 B -> 242 B (-1 B)
        ~ index-sha256: [sha256] -> [sha256]

        packages: 3 differ
        ~ base 1.0 (other bytes of the same version)
        + extra 1 (asked for by recipes/fixture/recipe.yaml)
        ~ library 4.2 -> 4.3

        files: 7 differ
        ~ / [origin]
        ~ /etc/secret [mode gid]
        ~ /usr/bin/dash [type mode size sha256 target] 7 B -> 0 B (-7 B)
        ~ /usr/bin/sh [hard-link]
        - /usr/bin/su 11 B (package:base)
        ~ /usr/lib/library.so [size sha256] 9 B -> 16 B (+7 B)
        + /usr/lib/new.so 3 B (package:library)
    "#]],
    );
    check(
        &fixture,
        &[&DIFF[..], &["--files", "1"]].concat(),
        &expect![[r#"
        exit 0
        kata-fixture-1.initrd -> kata-fixture-1.initrd
        artifact: 3.0 KiB -> 3.0 KiB (+0 B)
        files: 243 B -> 242 B (-1 B)
        ~ index-sha256: [sha256] -> [sha256]

        packages: 3 differ
        ~ base 1.0 (other bytes of the same version)
        + extra 1 (asked for by recipes/fixture/recipe.yaml)
        ~ library 4.2 -> 4.3

        files: 7 differ
        ~ / [origin]
        … and 6 more (all of them with --json)
    "#]],
    );
    let all = document(&fixture, &[&DIFF[..], &["--files", "1"]].concat());
    assert!(all.to_string().contains("/usr/lib/new.so"), "{all}");
}

#[test]
fn of_what_is_not_there() {
    let fixture = two(|fixture| {
        let files = Tar::default().file("./usr/lib/library.so", 0o644, b"another library");
        fixture.repository.package("library").files = files;
    });
    check(
        &fixture,
        &["diff", "before/kata-fixture-1.initrd", "gone"],
        &expect![[r#"
        exit 1
        error: there is no gone.manifest.json; an artifact is made, with its manifest, by `cargo xtask build-image`
    "#]],
    );
    std::fs::remove_file(fixture.path("before/kata-fixture-1.initrd.contents.json")).unwrap();
    check(
        &fixture,
        &DIFF,
        &expect![[r#"
        exit 0
        kata-fixture-1.initrd -> kata-fixture-1.initrd
        artifact: 3.0 KiB -> 3.0 KiB (+0 B)
        ~ index-sha256: [sha256] -> [sha256]

        packages: 1 differ
        ~ library 4.2 (other bytes of the same version)

        files: unknown, since a side has no list of contents; build it again
    "#]],
    );
}
