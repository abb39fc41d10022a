//! A repository that is not to be trusted: the chain from the archive's key to
//! the index is broken at each of its links.

use crate::fixture::{Fixture, Key};
use expect_test::expect;

const INRELEASE: &str = "dists/sample/InRelease";
const PACKAGES: &str = "dists/sample/main/binary-amd64/Packages";

/// A fixture whose repository was changed and written out again.
fn republished(change: impl FnOnce(&mut Fixture)) -> Fixture {
    let mut fixture = Fixture::built();
    change(&mut fixture);
    fixture.publish();
    fixture
}

#[test]
fn a_signature_by_another_key() {
    let fixture = republished(|fixture| fixture.repository.key = Some(Key::stranger()));
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened; give another mirror with --mirror URL
          because: InRelease of sample (eb4796d4363a) from file://[root]/repository/dists/sample/InRelease was refused: no signature by a trusted key: key 597154933D129E26FC2B045B1BFB6606F7164465 is not in the keyring
    "#]]);
}

#[test]
fn no_signature() {
    let fixture = republished(|fixture| fixture.repository.key = None);
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened; give another mirror with --mirror URL
          because: InRelease of sample (eb4796d4363a) from file://[root]/repository/dists/sample/InRelease was refused: not an OpenPGP cleartext signed file: it does not begin with the line BEGIN PGP SIGNED MESSAGE
    "#]]);
}

#[test]
fn a_signed_text_that_was_altered() {
    let fixture = Fixture::built();
    fixture.alter(INRELEASE, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("Origin: Fixture", "Origin: Picture").into_bytes();
    });
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened; give another mirror with --mirror URL
          because: InRelease of sample (eb4796d4363a) from file://[root]/repository/dists/sample/InRelease was refused: no signature by a trusted key: key D6C3C56AC12418775295403D21F923FBD0D8B99E signed another text; the file was altered
    "#]]);
}

#[test]
fn a_release_that_expired() {
    let until = "Sat, 16 Aug 2025 10:27:54 UTC";
    let fixture = republished(|fixture| fixture.repository.valid_until = Some(until));
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened; give another mirror with --mirror URL
          because: InRelease of sample (eb4796d4363a) from file://[root]/repository/dists/sample/InRelease was refused: the Release expired on Sat, 16 Aug 2025 10:27:54 UTC; the mirror is stale, someone replays an old one, or this machine's clock is wrong
    "#]]);
}

#[test]
fn an_index_that_the_release_does_not_vouch_for() {
    let fixture = Fixture::built();
    fixture.alter(PACKAGES, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("library (>= 4)", "library (>= 1)").into_bytes();
    });
    fixture.check(&["--update"], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened; give another mirror with --mirror URL
          because: sample main/binary-amd64/Packages from file://[root]/repository/dists/sample/main/binary-amd64/Packages has the wrong digest: expected sha256 [sha256], got [sha256]
    "#]]);
}

#[test]
fn a_repository_that_is_not_there() {
    let fixture = Fixture::built();
    std::fs::remove_dir_all(fixture.path("repository")).unwrap();
    fixture.check(
        &["--update"],
        &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened
          because: cannot fetch InRelease of sample (eb4796d4363a): the only mirror failed
              file://[root]/repository/dists/sample/InRelease: there is no such file
            give another mirror with --mirror URL (http, https or file)
    "#]],
    );
}

#[test]
fn every_mirror_is_named_with_its_own_fault() {
    let fixture = Fixture::built();
    let alter = |bytes: &mut Vec<u8>| *bytes = b"<html>".to_vec();
    fixture.alter(INRELEASE, alter);
    let server = fixture.serve();
    let missing = format!("{}/elsewhere", server.url());
    fixture.check(
        &["--update", "--mirror", &missing, "--mirror", &fixture.file_url()],
        &expect![[r#"
            exit 1
            error: fixture: the package repository can't be opened
              because: cannot fetch InRelease of sample (eb4796d4363a): all 2 mirrors failed
                  http://127.0.0.1:[port]/elsewhere/dists/sample/InRelease: the server answered 404 Not Found
                  file://[root]/repository/dists/sample/InRelease: not an OpenPGP cleartext signed file: it does not begin with the line BEGIN PGP SIGNED MESSAGE
                give another mirror with --mirror URL (http, https or file)
        "#]],
    );
}
