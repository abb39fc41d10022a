//! `why`: what brought a package, a path or a kernel option in.

use super::{check, document};
use crate::fixture::Fixture;
use expect_test::expect;

fn words(what: &str) -> [&str; 8] {
    ["why", what, "--distro", "fixture", "--arch", "x86_64", "--out", "out"]
}

#[test]
fn packages() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    check(
        &fixture,
        &words("base"),
        &expect![[r#"
        exit 0
        base 1.0: asked for by recipes/fixture/recipe.yaml
    "#]],
    );
    check(
        &fixture,
        &words("library"),
        &expect![[r#"
        exit 0
        library 4.2: tool needs library (>= 4)
          tool 2:3.1-1: asked for by recipes/fixture/recipe.yaml
    "#]],
    );
    check(
        &fixture,
        &words("libary"),
        &expect![[r#"
        exit 2
        error: kata-fixture-1.initrd has no package `libary`; did you mean library?
    "#]],
    );
}

#[test]
fn paths() {
    let fixture = Fixture::new();
    fixture.build(&[]);
    for (what, expected) in [
        (
            "/usr/bin/tool",
            expect![[r#"
            exit 0
            /usr/bin/tool: the package tool brought it
              tool 2:3.1-1: asked for by recipes/fixture/recipe.yaml
        "#]],
        ),
        // Another name of a file, and a way through an alias.
        (
            "/usr/bin/dash",
            expect![[r#"
            exit 0
            /usr/bin/dash: the package base brought it
              base 1.0: asked for by recipes/fixture/recipe.yaml
        "#]],
        ),
        (
            "/bin/tool",
            expect![[r#"
            exit 0
            /bin/tool: /bin is a link to usr/bin
              /usr/bin/tool: the package tool brought it
                tool 2:3.1-1: asked for by recipes/fixture/recipe.yaml
        "#]],
        ),
        (
            "/etc/motd",
            expect![[r#"
            exit 0
            /etc/motd: the recipe asks for it (files: /etc/motd)
        "#]],
        ),
        (
            "/usr/bin/kata-agent",
            expect![[r#"
            exit 0
            /usr/bin/kata-agent: osbuilder puts it into every guest
        "#]],
        ),
        (
            "/usr/bin/tol",
            expect![[r#"
            exit 2
            error: kata-fixture-1.initrd has no path `/usr/bin/tol`; did you mean /usr/bin/tool?
        "#]],
        ),
    ] {
        check(&fixture, &words(what), &expected);
    }
    let answer = document(&fixture, &words("/usr/lib/library.so"));
    assert!(answer.to_string().contains("library (>= 4)"), "{answer}");
}

#[test]
fn kernel_options() {
    let fixture = Fixture::new();
    fixture.write("kernel/configs/common/fs.conf", "# Shared folders.\nCONFIG_FUSE_FS=y\n");
    fixture.write(
        "kernel/configs/x86_64/cpu.conf",
        "# Never a guest of Xen.\n# CONFIG_XEN is not set\n",
    );
    for (what, expected) in [
        (
            "CONFIG_FUSE_FS",
            expect![[r#"
            exit 0
            CONFIG_FUSE_FS=y: kernel/configs/common/fs.conf:2
              Shared folders.
        "#]],
        ),
        (
            "CONFIG_XEN",
            expect![[r#"
            exit 0
            CONFIG_XEN=n: kernel/configs/x86_64/cpu.conf:2
              Never a guest of Xen.
        "#]],
        ),
        (
            "CONFIG_FUSE",
            expect![[r#"
            exit 2
            error: no fragment in kernel/configs asks for CONFIG_FUSE (the kernel may have it all the same, by default or for another option)
        "#]],
        ),
    ] {
        check(&fixture, &words(what), &expected);
    }
}

#[test]
fn nothing_was_built() {
    let fixture = Fixture::new();
    check(
        &fixture,
        &words("base"),
        &expect![[r#"
        exit 1
        error: there is no out/kata-fixture-1.initrd.manifest.json; an artifact is made, with its manifest, by `cargo xtask build-image`
    "#]],
    );
    check(
        &fixture,
        &["why", "base", "--file", "versions.yaml"],
        &expect![[r#"
        exit 1
        error: there is no versions.yaml.manifest.json; an artifact is made, with its manifest, by `cargo xtask build-image`
    "#]],
    );
}
