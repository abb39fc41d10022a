//! What is written is read again, for whatever may be written: containers,
//! indexes, their kept form, signed texts.

use proptest::prelude::*;

use super::ar::{self, tests::make};
use super::{cache, packages};
use crate::apk::{format_checksum, parse_checksum};
use crate::openpgp::tests::{SIGNED, TestKey, at};
use crate::openpgp::verify_cleartext;
use crate::package::{Comparison, Family, Identity, Package, Provide, Relation, Requirement};

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9+.-]{1,12}"
}

fn version() -> impl Strategy<Value = String> {
    "([0-9]:)?[0-9][a-z0-9.+~]{0,8}(-[a-z0-9.+~]{1,4})?"
}

fn relation() -> impl Strategy<Value = Relation> {
    use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual};
    let comparison = prop::sample::select(vec![Less, LessEqual, Equal, GreaterEqual, Greater]);
    (name(), prop::option::of((comparison, version())))
        .prop_map(|(name, constraint)| Relation { name, constraint })
}

fn relations() -> impl Strategy<Value = Vec<Relation>> {
    prop::collection::vec(relation(), 0..4)
}

fn package() -> impl Strategy<Value = Package> {
    let provide =
        (name(), prop::option::of(version())).prop_map(|(name, version)| Provide { name, version });
    let requirement = prop::collection::vec(relation(), 1..4)
        .prop_map(|alternatives| Requirement { alternatives });
    let names = (name(), version(), prop::sample::select(vec!["all", "amd64"]), name());
    let lists = (
        prop::collection::vec(provide, 0..3),
        prop::collection::vec(requirement, 0..4),
        relations(),
        relations(),
    );
    // An index counts in KiB.
    (names, lists, any::<u64>(), 0..u64::MAX / 1024, any::<[u8; 32]>()).prop_map(
        |(names, lists, size, kib, digest)| {
            let (name, version, architecture, source) = names;
            let (provides, depends, conflicts, replaces) = lists;
            Package {
                family: Family::Deb,
                location: format!("pool/{name}.deb"),
                name,
                version,
                architecture: architecture.to_owned(),
                provides,
                depends,
                conflicts,
                replaces,
                rich: Vec::new(),
                size,
                installed_size: kib * 1024,
                identity: Identity::Sha256(digest),
                source,
                license: None,
            }
        },
    )
}

/// A relation as an index spells it.
fn spelled(relation: &Relation) -> String {
    let Some((comparison, version)) = &relation.constraint else { return relation.name.clone() };
    let operator = match comparison {
        Comparison::Less => "<<".to_owned(),
        Comparison::Greater => ">>".to_owned(),
        other => other.to_string(),
    };
    format!("{} ({operator} {version})", relation.name)
}

fn joined<T>(items: &[T], separator: &str, spell: impl Fn(&T) -> String) -> String {
    items.iter().map(spell).collect::<Vec<_>>().join(separator)
}

/// A paragraph of a Packages index.
fn paragraph(package: &Package) -> String {
    let Identity::Sha256(digest) = &package.identity else { panic!("{package:?}") };
    let provides = joined(&package.provides, ", ", |provide| match &provide.version {
        None => provide.name.clone(),
        Some(version) => format!("{} (= {version})", provide.name),
    });
    let depends = joined(&package.depends, ",\n ", |requirement| {
        joined(&requirement.alternatives, " | ", spelled)
    });
    format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nSource: {}\nProvides: {provides}\n\
         Depends: {depends}\nConflicts: {}\nReplaces: {}\nFilename: {}\nSize: {}\n\
         Installed-Size: {}\nSHA256: {}\nDescription: text\n more: text\n\n",
        package.name,
        package.version,
        package.architecture,
        package.source,
        joined(&package.conflicts, ", ", spelled),
        joined(&package.replaces, ", ", spelled),
        package.location,
        package.size,
        package.installed_size / 1024,
        hex::encode(digest)
    )
}

proptest! {
    #[test]
    fn indexes_and_their_kept_form(list in prop::collection::vec(package(), 0..6)) {
        let text: String = list.iter().map(paragraph).collect();
        prop_assert_eq!(&packages::parse(text.as_bytes(), "amd64").unwrap(), &list);
        prop_assert_eq!(cache::decode(&cache::encode(&list)).unwrap(), list);
    }

    #[test]
    fn containers(
        members in prop::collection::vec(
            ("[a-z0-9._-]{1,15}", prop::collection::vec(any::<u8>(), 0..300)),
            0..16,
        ),
    ) {
        let members: Vec<(&str, &[u8])> =
            members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let bytes = make(&members);
        let read: Vec<(&str, &[u8])> =
            ar::members(&bytes).unwrap().iter().map(|m| (m.name, m.bytes)).collect();
        prop_assert_eq!(read, members);
    }

    #[test]
    fn apks_checksums(digest in any::<[u8; 20]>()) {
        prop_assert_eq!(parse_checksum(&format_checksum(&digest)), Some(digest));
    }

    #[test]
    fn signed_texts(lines in prop::collection::vec("[ -~]{0,20}", 1..8)) {
        let key = TestKey::new(7);
        // Blanks at the end of a line are not part of what is signed.
        let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
        let verified = verify_cleartext(key.sign(&text).as_bytes(), &key.keyring(), at(SIGNED));
        prop_assert_eq!(String::from_utf8(verified.unwrap().text).unwrap(), text);
    }
}
