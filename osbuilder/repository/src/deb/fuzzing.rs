//! Fuzz entry points of the deb readers; see [`crate::fuzzing`].

use std::path::Path;

use super::archive::{read, read_control};
use super::host_sources;
use super::release::Release;
use super::{ar as container, cache as kept, control as syntax, date, packages as list, relations};
use crate::compression::Compression;
use crate::fuzzing::order;
use crate::package::{Family, Identity, Package};

/// Least room for unpacking; the product's own limits would only cost time.
const LIMIT: u64 = 1 << 20;
const ARCHITECTURE: &str = "amd64";

/// The container around a .deb.
pub fn ar(bytes: &[u8]) {
    let Ok(members) = container::members(bytes) else { return };
    assert!(members.iter().map(|member| member.bytes.len()).sum::<usize>() < bytes.len());
}

/// The parsed form of an index.
pub fn cache(bytes: &[u8]) {
    let Some(packages) = kept::decode(bytes) else { return };
    assert_eq!(kept::decode(&kept::encode(&packages)), Some(packages));
}

/// The first byte names the compression, the rest is compressed.
pub fn compression(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kind = match kind % 5 {
        0 => Compression::None,
        1 => Compression::Gzip,
        2 => Compression::Xz,
        3 => Compression::Zstd,
        _ => Compression::Lzma,
    };
    if let Ok(unpacked) = kind.unpack(bytes, LIMIT / 2, LIMIT) {
        assert!(unpacked.len() as u64 <= LIMIT);
    }
}

/// Control syntax, and every value as each kind of relation.
pub fn control(bytes: &[u8]) {
    for paragraph in syntax::paragraphs(bytes) {
        for field in syntax::fields(paragraph) {
            let Ok(field) = field else { break };
            assert!(field.name.len() + field.value.len() < paragraph.len() + 1);
            let Ok(text) = field.text("Test") else { continue };
            let _ = relations::requirements(text, ARCHITECTURE);
            let _ = relations::relations(text, ARCHITECTURE);
            let _ = relations::provides(text, ARCHITECTURE);
            let _ = date::parse(text);
        }
    }
}

/// apt's configuration in both syntaxes.
pub fn host_sources(bytes: &[u8]) {
    host_sources::judge(&String::from_utf8_lossy(bytes), Path::new("/nowhere"));
}

/// A whole .deb, under the name that it gives itself.
pub fn package(bytes: &[u8]) {
    let mut own = Package {
        family: Family::Deb,
        name: String::new(),
        version: String::new(),
        architecture: String::new(),
        provides: Vec::new(),
        depends: Vec::new(),
        conflicts: Vec::new(),
        replaces: Vec::new(),
        rich: Vec::new(),
        location: "pool/test.deb".to_owned(),
        size: bytes.len() as u64,
        installed_size: 1,
        identity: Identity::Sha256([0; 32]),
        source: String::new(),
        license: None,
    };
    let members = container::members(bytes).unwrap_or_default();
    let found = members.iter().find(|member| member.name.starts_with("control.tar"));
    let unpacked = found.and_then(|member| {
        let (kind, _) = Compression::of_name(member.name);
        kind.unpack(member.bytes, 0, LIMIT).ok()
    });
    if let Some(file) = unpacked.and_then(|tar| read_control(&tar).ok()) {
        let field = |name: &str| file.control.get(name).to_owned();
        own.name = field("Package");
        own.version = field("Version");
        own.architecture = field("Architecture");
    }
    let _ = read(&own, bytes);
}

/// A Packages index; what it says survives being kept.
pub fn packages(bytes: &[u8]) {
    let Ok(packages) = list::parse(bytes, ARCHITECTURE) else { return };
    assert_eq!(kept::decode(&kept::encode(&packages)), Some(packages));
}

/// A Release file.
pub fn release(bytes: &[u8]) {
    let Ok(release) = Release::parse(bytes) else { return };
    let _ = release.check("trixie", &["main".to_owned()], ARCHITECTURE, 1_754_800_000);
    let _ = release.file("main/binary-amd64/Packages");
}

/// Three versions, a line each.
pub fn version(bytes: &[u8]) {
    order(bytes, crate::version::deb::compare);
}
