//! Packages that don't fit together, are damaged or want to write where they
//! may not, although their repository vouches for them.

use crate::fixture::{Deb, Fixture, Tar};
use expect_test::{Expect, expect};

/// A repository with one more package, which the recipe asks for.
pub fn with_package(package: Deb) -> Fixture {
    let mut fixture = Fixture::built();
    fixture.edit_recipe("    - tool\n", &format!("    - tool\n    - {}\n", package.name));
    fixture.repository.packages.push(package);
    fixture.publish();
    fixture
}

#[track_caller]
fn check_files(files: Tar, expected: &Expect) {
    with_package(Deb::new("extra", "1").files(files)).check(&[], expected);
}

#[test]
fn a_dependency_that_can_not_be_met() {
    let mut fixture = Fixture::built();
    fixture.repository.package("library").version = "3.9".into();
    fixture.publish();
    fixture.check(
        &["--update"],
        &expect![[r#"
        exit 1
        error: fixture: the packages of the recipe can't be chosen
          because: cannot install tool (asked for by recipes/fixture/recipe.yaml):
              tool 2:3.1-1 needs library (>= 4), but the repository has library 3.9
    "#]],
    );
}

#[test]
fn a_dependency_deep_down_that_can_not_be_met() {
    let mut fixture = Fixture::built();
    let library = fixture.repository.package("library").clone();
    *fixture.repository.package("library") = library.field("Depends", "engine (>= 2) | motor");
    fixture.repository.packages.push(Deb::new("engine", "1.9"));
    fixture.publish();
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the packages of the recipe can't be chosen
          because: cannot install tool (asked for by recipes/fixture/recipe.yaml):
              tool 2:3.1-1 needs library (>= 4):
                library 4.2 needs engine (>= 2) | motor, but the repository has engine 1.9 and no package is or provides motor
    "#]]);
}

#[test]
fn packages_that_conflict() {
    let fixture = with_package(Deb::new("extra", "1").field("Conflicts", "library"));
    fixture.check(&[], &expect![[r#"
        exit 1
        error: fixture: the packages of the recipe can't be chosen
          because: cannot install tool (asked for by recipes/fixture/recipe.yaml):
              tool 2:3.1-1 needs library (>= 4):
                library 4.2 conflicts with extra 1, which is asked for by recipes/fixture/recipe.yaml
    "#]]);
}

#[test]
fn a_truncated_package() {
    let fixture = Fixture::built();
    fixture.alter("pool/base_1.0_amd64.deb", |bytes| bytes.truncate(700));
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched
          because: cannot fetch base 1.0: the only mirror failed
              file://[root]/repository/pool/base_1.0_amd64.deb: it has 700 bytes where 9408 were expected
            give another mirror with --mirror URL (http, https or file)
    "#]]);
}

#[test]
fn a_package_cut_off_by_a_server() {
    let fixture = Fixture::built();
    fixture.alter("pool/base_1.0_amd64.deb", |bytes| bytes.truncate(700));
    let server = fixture.serve();
    fixture.check(&["--update", "--mirror", &server.url()], &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched
          because: cannot fetch base 1.0: the only mirror failed
              http://127.0.0.1:[port]/pool/base_1.0_amd64.deb: it has 700 bytes where 9408 were expected
            give another mirror with --mirror URL (http, https or file)
    "#]]);
}

#[test]
fn an_altered_package() {
    let fixture = Fixture::built();
    fixture.alter("pool/base_1.0_amd64.deb", |bytes| bytes[700] ^= 1);
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched; give another mirror with --mirror URL
          because: base 1.0 from file://[root]/repository/pool/base_1.0_amd64.deb has the wrong digest: expected sha256 [sha256], got [sha256]
    "#]]);
}

#[test]
fn a_file_that_is_no_package() {
    // The index vouches for these bytes; they are still not what they say.
    let mut fixture = Fixture::built();
    fixture.repository.package("base").raw = Some(b"PK, a zip archive perhaps".to_vec());
    fixture.publish();
    fixture.check(
        &["--update"],
        &expect![[r#"
        exit 1
        error: the package base 1.0 can't be used
          because: not a .deb file: it does not begin like an ar archive
    "#]],
    );
}

#[test]
fn a_path_that_leaves_the_tree() {
    check_files(
        Tar::default().file("../etc/passwd", 0o644, b"x"),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `../etc/passwd`
          because: the path has a `..` component and could leave the tree
    "#]],
    );
    check_files(
        Tar::default().file("./usr/../../etc/passwd", 0o644, b"x"),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./usr/../../etc/passwd`
          because: the path has a `..` component and could leave the tree
    "#]],
    );
}

#[test]
fn an_absolute_path() {
    check_files(
        Tar::default().file("/etc/passwd", 0o644, b"x"),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `/etc/passwd`
          because: the path is absolute; it must be relative to the root of the tree
    "#]],
    );
}

#[test]
fn a_hard_link_that_leaves_the_tree() {
    check_files(
        Tar::default().hard_link("./etc/stolen", "../../etc/shadow"),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./etc/stolen`
          because: hard link target `../../etc/shadow` is no usable path
          because: the path has a `..` component and could leave the tree
    "#]],
    );
}

#[test]
fn writing_through_a_symbolic_link() {
    let files = Tar::default().symlink("./srv", "/etc").file("./srv/passwd", 0o644, b"x");
    check_files(
        files,
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./srv/passwd`
          because: it would be written through the symbolic link `srv` (from package extra)
    "#]],
    );
    // Also where another package brought the link.
    let mut fixture =
        with_package(Deb::new("extra", "1").files(Tar::default().symlink("./opt", "/")));
    fixture.repository.package("tool").files = Tar::default().file("./opt/x", 0o644, b"x");
    fixture.publish();
    fixture.check(
        &[],
        &expect![[r#"
        exit 1
        error: package tool can't be merged because of `./opt/x`
          because: it would be written through the symbolic link `opt` (from package extra)
    "#]],
    );
}

#[test]
fn a_file_that_belongs_to_another_package() {
    check_files(
        Tar::default().file("./usr/bin/tool", 0o755, b"another"),
        &expect![[r#"
        exit 1
        error: package tool can't be merged because of `./usr/bin/tool`
          because: `usr/bin/tool` belongs to package extra already, with other content or mode
    "#]],
    );
}

#[test]
fn a_device_node() {
    check_files(
        Tar::default().device("./dev/sda", (8, 0)),
        &expect![[r#"
        exit 1
        error: package extra can't be merged because of `./dev/sda`
          because: `./dev/sda` is a block device, which is not supported in packages
    "#]],
    );
}
