//! Packages: what proves them, what unpacks, and what is refused.

use super::super::{ApkError, check_package, read_package};
use super::fixture::{gzip, package, package_with, tar};
use crate::package::Identity;

#[test]
fn a_package_is_proven_and_unpacked() {
    let hello = package("hello", "1.0-r0");
    let read = read_package(&hello.file, &hello.package()).unwrap();
    assert_eq!(read.pkginfo.name, "hello");
    assert_eq!(read.scripts, [".post-install"]);
    let mut archive = tar::Archive::new(read.data_tar.as_slice());
    let paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(paths, ["etc/hello"]);
}

#[test]
fn a_package_without_a_signature_of_its_own_is_proven_by_the_index() {
    let hello = package("hello", "1.0-r0");
    let unsigned = &hello.file[hello.control.0..];
    assert_eq!(read_package(unsigned, &hello.package()).unwrap().pkginfo.version, "1.0-r0");
}

#[test]
fn every_altered_byte_is_noticed() {
    let hello = package("hello", "1.0-r0");
    let package = hello.package();
    for at in hello.control.0..hello.file.len() {
        let mut altered = hello.file.clone();
        altered[at] ^= 1;
        let error = check_package(&altered, &package).unwrap_err();
        let control = at < hello.control.1;
        let expected = if control {
            matches!(error, ApkError::ControlMismatch { .. } | ApkError::Gzip { .. })
        } else {
            matches!(error, ApkError::DataMismatch { .. })
        };
        assert!(expected, "byte {at}: {error}");
    }
}

#[test]
fn a_package_cut_off_anywhere_is_refused() {
    let hello = package("hello", "1.0-r0");
    let package = hello.package();
    for length in 0..hello.file.len() {
        assert!(check_package(&hello.file[..length], &package).is_err(), "{length} bytes pass");
    }
}

#[test]
fn another_package_in_its_place_is_refused() {
    let wanted = package("hello", "1.0-r0").package();
    let other = package("hello", "0.9-r0");
    let message = check_package(&other.file, &wanted).unwrap_err().to_string();
    assert!(message.contains("control data has the identity Q1"), "{message}");
    // An index that names the right bytes by a wrong name is no better.
    let mut misnamed = other.package();
    misnamed.name = "howdy".to_owned();
    let message = check_package(&other.file, &misnamed).unwrap_err().to_string();
    assert_eq!(message, "it calls itself hello 0.9-r0, the index calls it howdy 0.9-r0");
}

#[test]
fn control_data_must_say_what_the_files_hash_to() {
    let data = gzip(&tar(&[("a", b"a")], true));
    let honest = package_with("hello", "1", &data, "");
    let mut swapped = honest.file[..honest.control.1].to_vec();
    swapped.extend(gzip(&tar(&[("a", b"b")], true)));
    let error = check_package(&swapped, &honest.package()).unwrap_err();
    assert!(matches!(error, ApkError::DataMismatch { .. }), "{error}");
}

#[test]
fn data_that_unpacks_to_far_more_than_the_index_says_is_a_bomb() {
    let zeros = vec![0_u8; 80 << 20];
    let bomb = package_with("bomb", "1", &gzip(&tar(&[("zeros", &zeros)], true)), "");
    let package = bomb.package();
    assert!(bomb.file.len() < 1 << 20);
    assert!(check_package(&bomb.file, &package).is_ok());
    let error = read_package(&bomb.file, &package).unwrap_err();
    assert!(matches!(error, ApkError::TooLarge { what: "package data", .. }), "{error}");
}

#[test]
fn control_data_that_never_ends_is_a_bomb() {
    let mut wanted = package("hello", "1").package();
    let zeros = vec![0_u8; 20 << 20];
    let file = gzip(&tar(&[(".PKGINFO", &zeros)], false));
    wanted.identity = Identity::ApkControl([0; 20]);
    let error = check_package(&file, &wanted).unwrap_err();
    assert!(matches!(error, ApkError::TooLarge { what: "control data", .. }), "{error}");
}

#[test]
fn a_deb_is_not_asked_for_here() {
    let mut wanted = package("hello", "1").package();
    wanted.identity = Identity::Sha256([0; 32]);
    let error = check_package(b"", &wanted).unwrap_err();
    assert!(matches!(error, ApkError::WrongIdentity(_)), "{error}");
}
