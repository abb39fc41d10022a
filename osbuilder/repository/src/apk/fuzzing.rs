//! Fuzz entry points of the apk readers; see [`crate::fuzzing`].

use super::checksum::{format_checksum, parse_checksum};
use super::constraint::{parse_dependency, parse_provide, parse_relations};
use super::gzip::{all_streams, first_stream};
use super::index::parse;
use super::keys::split_signatures;
use super::pkginfo::PkgInfo;
use super::tar_segment::members;
use crate::fuzzing::order;
use crate::package::Identity;

/// Least room for unpacking; the product's own limits would only cost time.
const LIMIT: u64 = 1 << 20;

/// The text of an index.
pub fn index(bytes: &[u8]) {
    let Ok(packages) = parse(bytes, "folder") else { return };
    assert!(packages.len() <= bytes.len() / 2);
    for package in packages {
        let name = package.location.strip_prefix("folder/").unwrap_or("/");
        assert!(!name.contains('/') && !name.starts_with('.'), "{name} leaves the folder");
        let Identity::ApkControl(digest) = package.identity else { panic!("{package:?}") };
        assert_eq!(parse_checksum(&format_checksum(&digest)), Some(digest));
    }
}

/// A package file, or an index file: signatures, control data and files.
pub fn package(bytes: &[u8]) {
    let Ok((_, rest)) = split_signatures(bytes) else { return };
    assert!(rest.len() <= bytes.len());
    if let Ok((tar, length)) = first_stream(rest, LIMIT, "control data") {
        assert!(tar.len() as u64 <= LIMIT && length <= rest.len());
        for member in members(&tar, "control data").unwrap_or_default() {
            if member.name == ".PKGINFO" {
                let _ = PkgInfo::parse(&member.bytes);
            }
        }
    }
    if let Ok(content) = all_streams(rest, LIMIT, "package data") {
        assert!(content.len() as u64 <= LIMIT);
    }
}

/// `.PKGINFO`, and each of its lines as a relation.
pub fn pkginfo(bytes: &[u8]) {
    let _ = PkgInfo::parse(bytes);
    for line in String::from_utf8_lossy(bytes).lines() {
        let _ = parse_dependency(line);
        let _ = parse_provide(line);
        let _ = parse_relations(line);
        let _ = parse_checksum(line);
    }
}

/// The tar archive of signatures, control data or an index.
pub fn tar_segment(bytes: &[u8]) {
    let Ok(members) = members(bytes, "test") else { return };
    // What is a member lies in the segment, and nothing lies there twice.
    assert!(members.iter().map(|member| member.bytes.len()).sum::<usize>() <= bytes.len());
}

/// Three versions, a line each.
pub fn version(bytes: &[u8]) {
    use crate::version::apk::{compare, fuzzy_matches};
    order(bytes, compare);
    for version in String::from_utf8_lossy(bytes).splitn(3, '\n') {
        assert!(fuzzy_matches(version, version), "{version:?} does not match itself");
    }
}
