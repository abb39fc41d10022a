//! `APKINDEX.tar.gz`: its signature, then its packages.
//!
//! Fields that nothing here needs (`T U m t c i k`, and letters not known yet)
//! are passed over; `i`, install_if, on purpose (see the module above). It does
//! not know where the file came from.

use sha2::{Digest, Sha256};

use super::checksum::parse_checksum;
use super::constraint::{Dependency, parse_dependency, parse_provide, parse_relations};
use super::error::ApkError;
use super::gzip::all_streams;
use super::keys::{Keys, split_signatures};
use super::tar_segment::members;
use crate::package::{Family, Identity, Package};

/// Largest index when unpacked; the largest real one has some 10 MiB.
const MAX_INDEX: u64 = 256 << 20;
/// What packages that run on every architecture say of theirs.
const NO_ARCHITECTURE: &str = "noarch";

/// An index whose signature holds.
#[derive(Debug, Clone)]
pub struct VerifiedIndex {
    /// Its packages, in its own order.
    pub packages: Vec<Package>,
    /// Names of the trusted keys that signed it.
    pub signed_by: Vec<String>,
    /// Its `DESCRIPTION`, one line, empty where it has none.
    pub description: String,
    /// When it was made, in seconds since 1970 UTC, by the tar header.
    pub date: Option<i64>,
    /// SHA-256 of the signed bytes.
    pub sha256: [u8; 32],
}

/// Verifies and reads an `APKINDEX.tar.gz`. `folder` is where its packages lie
/// below the mirror (`v3.23/main/x86_64`); each location begins with it. All
/// packages must be of `architecture` or of none: the same key signs the indexes
/// of all architectures, so that the signature does not say which one this is.
///
/// # Errors
/// Where no trusted key signed exactly these bytes, they break the format, or
/// they name a package of another architecture.
pub fn read_index(
    file: &[u8],
    keys: &Keys,
    folder: &str,
    architecture: &str,
) -> Result<VerifiedIndex, ApkError> {
    let (signatures, signed) = split_signatures(file)?;
    // Only genuine bytes are unpacked and parsed.
    let signed_by = keys.verify(&signatures, signed)?;
    let tar = all_streams(signed, MAX_INDEX, "index")?;
    let (mut text, mut description, mut date) = (None, String::new(), None);
    for member in members(&tar, "index")? {
        match member.name.as_str() {
            "APKINDEX" => {
                date = i64::try_from(member.mtime).ok().filter(|&seconds| seconds > 0);
                text = Some(member.bytes);
            }
            "DESCRIPTION" => {
                let whole = String::from_utf8_lossy(&member.bytes).into_owned();
                description = whole.lines().next().unwrap_or_default().trim().to_owned();
            }
            _ => {}
        }
    }
    let text = text.ok_or(ApkError::Missing { what: "index", member: "APKINDEX" })?;
    let packages = parse(&text, folder)?;
    let foreign =
        packages.iter().find(|p| ![architecture, NO_ARCHITECTURE].contains(&&*p.architecture));
    if let Some(package) = foreign {
        return Err(ApkError::ForeignArchitecture {
            package: format!("{} {}", package.name, package.version),
            actual: package.architecture.clone(),
            wanted: architecture.to_owned(),
        });
    }
    let sha256 = Sha256::digest(signed).into();
    Ok(VerifiedIndex { packages, signed_by, description, date, sha256 })
}

/// Reads the text of an index: stanzas of `X:value` lines, parted by empty ones.
pub(super) fn parse(text: &[u8], folder: &str) -> Result<Vec<Package>, ApkError> {
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    // An empty line is added, so that the last stanza ends as all others do.
    for (index, line) in text.split(|&b| b == b'\n').chain([&b""[..]]).enumerate() {
        let fail = |reason: String| ApkError::IndexLine { line: index + 1, reason };
        if line.is_empty() {
            if stanza.begun {
                packages.push(std::mem::take(&mut stanza).finish(folder).map_err(fail)?);
            }
            continue;
        }
        let line = std::str::from_utf8(line).map_err(|_| fail("it is not UTF-8".to_owned()))?;
        stanza.take(line).map_err(fail)?;
    }
    Ok(packages)
}

/// The fields of one package while they are read.
#[derive(Default)]
struct Stanza {
    begun: bool,
    identity: Option<[u8; 20]>,
    name: String,
    version: String,
    architecture: String,
    size: u64,
    installed_size: u64,
    license: Option<String>,
    origin: Option<String>,
    needs: Vec<crate::package::Requirement>,
    excludes: Vec<crate::package::Relation>,
    provides: Vec<crate::package::Provide>,
    replaces: Vec<crate::package::Relation>,
}

impl Stanza {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut characters = line.chars();
        let (letter, colon) = (characters.next(), characters.next());
        let (Some(letter), Some(':')) = (letter, colon) else {
            return Err("it is not of the form X:value".to_owned());
        };
        let value = characters.as_str();
        self.begun = true;
        match letter {
            'C' => {
                let digest = parse_checksum(value);
                self.identity = Some(digest.ok_or_else(|| {
                    format!("\"{value}\" is no checksum of the form Q1 and base64 of a SHA-1")
                })?);
            }
            'P' => self.name = checked(value, "name")?,
            'V' => self.version = checked(value, "version")?,
            'A' => self.architecture = checked(value, "architecture")?,
            'S' => self.size = number(value)?,
            'I' => self.installed_size = number(value)?,
            'L' => self.license = Some(value.to_owned()).filter(|text| !text.is_empty()),
            'o' => self.origin = Some(value.to_owned()).filter(|text| !text.is_empty()),
            'D' => {
                for word in value.split_ascii_whitespace() {
                    match parse_dependency(word)? {
                        Dependency::Needs(requirement) => self.needs.push(requirement),
                        Dependency::Excludes(relations) => self.excludes.extend(relations),
                    }
                }
            }
            'p' => {
                for word in value.split_ascii_whitespace() {
                    self.provides.push(parse_provide(word)?);
                }
            }
            'r' => {
                for word in value.split_ascii_whitespace() {
                    self.replaces.extend(parse_relations(word)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self, folder: &str) -> Result<Package, String> {
        for (letter, value) in [('P', &self.name), ('V', &self.version), ('A', &self.architecture)]
        {
            if value.is_empty() {
                return Err(format!("the package above has no {letter}: line"));
            }
        }
        let identity = self.identity.ok_or("the package above has no C: line")?;
        if self.size == 0 {
            return Err("the package above has no S: line, or a size of zero".to_owned());
        }
        Ok(Package {
            family: Family::Apk,
            location: format!("{folder}/{}-{}.apk", self.name, self.version),
            source: self.origin.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            version: self.version,
            architecture: self.architecture,
            provides: self.provides,
            depends: self.needs,
            conflicts: self.excludes,
            replaces: self.replaces,
            rich: Vec::new(),
            size: self.size,
            installed_size: self.installed_size,
            identity: Identity::ApkControl(identity),
            license: self.license,
        })
    }
}

/// A word that becomes part of a path and a URL.
fn checked(value: &str, what: &str) -> Result<String, String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._+-~".contains(&b);
    if value.is_empty() || value.starts_with('.') || !value.bytes().all(fine) {
        return Err(format!("\"{}\" is no {what}", value.escape_debug()));
    }
    Ok(value.to_owned())
}

fn number(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("\"{}\" is no size in bytes", value.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_damage_makes_it_panic_or_leave_the_folder() {
        let text = b"C:Q1VFqm8pEgmviZMrdh2eQiwneFlsw=\nP:a\nV:1.2_p3-r0\nA:x86_64\nS:10\nI:20\n\
            L:MIT\no:b\nD:c>=1 !d so:e.so.1~2\np:f=1 /bin/g\nr:h<3\nk:5\ni:j k=1\n\n";
        assert_eq!(parse(text, "x").unwrap().len(), 1);
        for at in 0..text.len() {
            for byte in [0, b'\n', b' ', b'/', b'.', b':', b'=', 0x7f, 0xff] {
                let mut damaged = text.to_vec();
                damaged[at] = byte;
                for package in parse(&damaged, "x").unwrap_or_default() {
                    let name = package.location.strip_prefix("x/").unwrap();
                    assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
                }
            }
        }
    }
}
