//! Packages indexes: one paragraph a package, some 65,000 of them in a real
//! archive. Paragraphs are read in parallel and only fields that are used are
//! copied. It does not know where the index came from.

use rayon::prelude::*;

use super::control::{self, ControlError, Field, once};
use super::relations;
use crate::package::{Family, Identity, Package};

/// Most packages in one index.
const MAX_PACKAGES: usize = 1_000_000;
/// Size of the pieces that are read in parallel, in bytes.
const PIECE: usize = 1 << 20;

/// Why a Packages index could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PackagesError {
    /// One paragraph is wrong.
    #[error("the Packages index is broken at package {package}: {source}")]
    Package {
        /// The package, or `?` where it has no name.
        package: String,
        /// What is wrong.
        source: ControlError,
    },
    /// It has more packages than any archive.
    #[error("the Packages index has more than {MAX_PACKAGES} packages")]
    TooMany,
}

/// Reads an index of packages for `architecture`, in the order of the file.
///
/// # Errors
/// [`PackagesError`] for the first paragraph that is wrong.
pub fn parse(bytes: &[u8], architecture: &str) -> Result<Vec<Package>, PackagesError> {
    let pieces: Vec<Vec<Package>> = pieces(bytes)
        .into_par_iter()
        .map(|piece| {
            control::paragraphs(piece).map(|paragraph| package(paragraph, architecture)).collect()
        })
        .collect::<Result<_, _>>()?;
    let total: usize = pieces.iter().map(Vec::len).sum();
    if total > MAX_PACKAGES {
        return Err(PackagesError::TooMany);
    }
    let mut packages = Vec::with_capacity(total);
    pieces.into_iter().for_each(|piece| packages.extend(piece));
    Ok(packages)
}

/// Cuts an index into pieces of about [`PIECE`] bytes between paragraphs.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while rest.len() > PIECE {
        let end =
            memchr::memmem::find(&rest[PIECE..], b"\n\n").map_or(rest.len(), |i| PIECE + i + 1);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The fields of a paragraph that are used, as written.
#[derive(Default)]
struct Raw<'a> {
    package: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    depends: Option<&'a [u8]>,
    pre_depends: Option<&'a [u8]>,
    conflicts: Option<&'a [u8]>,
    breaks: Option<&'a [u8]>,
    provides: Option<&'a [u8]>,
    replaces: Option<&'a [u8]>,
    filename: Option<&'a [u8]>,
    size: Option<&'a [u8]>,
    installed_size: Option<&'a [u8]>,
    sha256: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
}

impl<'a> Raw<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), ControlError> {
        let (slot, name) = match field.name {
            b"Package" => (&mut self.package, "Package"),
            b"Version" => (&mut self.version, "Version"),
            b"Architecture" => (&mut self.architecture, "Architecture"),
            b"Depends" => (&mut self.depends, "Depends"),
            b"Pre-Depends" => (&mut self.pre_depends, "Pre-Depends"),
            b"Conflicts" => (&mut self.conflicts, "Conflicts"),
            b"Breaks" => (&mut self.breaks, "Breaks"),
            b"Provides" => (&mut self.provides, "Provides"),
            b"Replaces" => (&mut self.replaces, "Replaces"),
            b"Filename" => (&mut self.filename, "Filename"),
            b"Size" => (&mut self.size, "Size"),
            b"Installed-Size" => (&mut self.installed_size, "Installed-Size"),
            b"SHA256" => (&mut self.sha256, "SHA256"),
            b"Source" => (&mut self.source, "Source"),
            _ => return Ok(()),
        };
        once(slot, name, field.value)
    }

    fn resolve(&self, architecture: &str) -> Result<Package, ControlError> {
        let name = word("Package", self.package)?;
        let mut depends =
            list("Pre-Depends", self.pre_depends, architecture, relations::requirements)?;
        depends.extend(list("Depends", self.depends, architecture, relations::requirements)?);
        let mut conflicts = list("Conflicts", self.conflicts, architecture, relations::relations)?;
        conflicts.extend(list("Breaks", self.breaks, architecture, relations::relations)?);
        // `Source: glibc (2.41-12)` names the source's version too where it differs.
        let source = match self.source {
            None => name,
            Some(value) => {
                let end = memchr::memchr(b' ', value).unwrap_or(value.len());
                word("Source", Some(&value[..end]))?
            }
        };
        let mut sha256 = [0; 32];
        let digest = self.sha256.ok_or(ControlError::Missing("SHA256"))?;
        hex::decode_to_slice(digest, &mut sha256)
            .map_err(|_| ControlError::value("SHA256", digest))?;
        let installed_kib = match self.installed_size {
            None => 0,
            Some(value) => number("Installed-Size", value)?,
        };
        Ok(Package {
            family: Family::Deb,
            name: name.to_owned(),
            version: word("Version", self.version)?.to_owned(),
            architecture: word("Architecture", self.architecture)?.to_owned(),
            provides: list("Provides", self.provides, architecture, relations::provides)?,
            depends,
            conflicts,
            replaces: list("Replaces", self.replaces, architecture, relations::relations)?,
            rich: Vec::new(),
            location: location(word("Filename", self.filename)?)?.to_owned(),
            size: number("Size", self.size.ok_or(ControlError::Missing("Size"))?)?,
            installed_size: installed_kib.saturating_mul(1024),
            identity: Identity::Sha256(sha256),
            source: source.to_owned(),
            license: None,
        })
    }
}

fn package(paragraph: &[u8], architecture: &str) -> Result<Package, PackagesError> {
    let mut raw = Raw::default();
    let mut read = || -> Result<Package, ControlError> {
        for field in control::fields(paragraph) {
            raw.take(field?)?;
        }
        raw.resolve(architecture)
    };
    read().map_err(|source| PackagesError::Package {
        package: raw.package.map_or_else(|| "?".to_owned(), control::shorten),
        source,
    })
}

/// A value that is one printable word.
fn word<'a>(name: &'static str, value: Option<&'a [u8]>) -> Result<&'a str, ControlError> {
    let value = value.ok_or(ControlError::Missing(name))?;
    let printable = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| ControlError::value(name, value))
}

fn number(name: &'static str, value: &[u8]) -> Result<u64, ControlError> {
    let text = word(name, Some(value))?;
    text.parse().map_err(|_| ControlError::value(name, value))
}

/// A path below the mirror's base, without tricks.
fn location(path: &str) -> Result<&str, ControlError> {
    let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(['\\', '?', '#', '%']);
    if plain { Ok(path) } else { Err(ControlError::value("Filename", path.as_bytes())) }
}

fn list<T>(
    name: &'static str,
    value: Option<&[u8]>,
    architecture: &str,
    read: impl Fn(&str, &str) -> Option<Vec<T>>,
) -> Result<Vec<T>, ControlError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| read(text, architecture))
        .ok_or_else(|| ControlError::value(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(extra: &str) -> String {
        format!(
            "Package: chrony\nVersion: 4.6.1-3\nArchitecture: amd64\nInstalled-Size: 665\n\
             Maintainer: Jos\u{e9} <j@example.org>\n\
             Filename: pool/main/c/chrony/chrony_4.6.1-3_amd64.deb\nSize: 308000\n\
             SHA256: {}\nDescription: clock\n long: text\n .\n more\n{extra}",
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_package_is_read() {
        let text = paragraph(
            "Source: chrony-source (4.6.1-2)\nPre-Depends: init-system-helpers (>= 1.54~)\n\
             Depends: adduser | systemd-sysusers, libc6 (>= 2.38), iproute2:any\n\
             Breaks: x (<< 2)\nConflicts: time-daemon\nProvides: time-daemon, chrony-abi (= 4)\n\
             Replaces: time-daemon\nMulti-Arch: foreign\n",
        );
        let packages = parse(text.as_bytes(), "amd64").unwrap();
        let [package] = &packages[..] else { panic!("{packages:?}") };
        let depends: Vec<String> = package.depends.iter().map(ToString::to_string).collect();
        assert_eq!(
            depends,
            [
                "init-system-helpers (>= 1.54~)",
                "adduser | systemd-sysusers",
                "libc6 (>= 2.38)",
                "iproute2"
            ]
        );
        let conflicts: Vec<String> = package.conflicts.iter().map(ToString::to_string).collect();
        assert_eq!(conflicts, ["time-daemon", "x (< 2)"]);
        assert_eq!(package.provides.len(), 2);
        assert_eq!(package.replaces.len(), 1);
        assert_eq!((package.size, package.installed_size), (308_000, 665 * 1024));
        assert_eq!(package.source, "chrony-source");
        assert_eq!(package.identity, Identity::Sha256([0xab; 32]));
        assert_eq!(package.location, "pool/main/c/chrony/chrony_4.6.1-3_amd64.deb");
    }

    #[test]
    fn broken_packages_are_named() {
        let cases = [
            (
                paragraph("").replace("Size: 308000", "Size: many"),
                "chrony: the field Size can't be",
            ),
            (paragraph("").replace("SHA256", "MD5sum"), "chrony: the field SHA256 is missing"),
            (paragraph("Depends: a b\n"), "chrony: the field Depends can't be `a b`"),
            (paragraph("Version: 2\n"), "chrony: the field Version is given twice"),
            (paragraph("").replace("pool/main", "../main"), "chrony: the field Filename can't be"),
            (paragraph("").replace("pool/main", "/main"), "chrony: the field Filename can't be"),
            (paragraph("").replace("Package: chrony\n", ""), "?: the field Package is missing"),
        ];
        for (text, expected) in cases {
            let said = parse(text.as_bytes(), "amd64").unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn large_indexes_are_cut_between_paragraphs() {
        let count = 3 * PIECE / paragraph("\n").len() + 7;
        let text: String = (0..count)
            .map(|i| paragraph("\n").replace("Package: chrony", &format!("Package: p{i}")))
            .collect();
        let packages = parse(text.as_bytes(), "amd64").unwrap();
        assert_eq!(packages.len(), count);
        assert!(packages.iter().enumerate().all(|(i, p)| p.name == format!("p{i}")));
    }
}
