//! Package URLs (purl): one name for a package that every scanner knows.
//!
//! `pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=debian-trixie`. It must
//! not know manifests or bills.

use recipe::RepositorySource;
use std::fmt::Write as _;

/// Packaging system of a distro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageKind {
    /// Debian and its kin.
    Deb,
    /// Alpine.
    Apk,
    /// Fedora and its kin.
    Rpm,
}

impl PackageKind {
    /// The kind of a recipe's packages.
    #[must_use]
    pub fn of(repository: &RepositorySource) -> Self {
        match repository {
            RepositorySource::Apt(_) => Self::Deb,
            RepositorySource::Apk(_) => Self::Apk,
            RepositorySource::Rpm(_) => Self::Rpm,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
        }
    }
}

/// The purl of one binary package. An rpm's epoch (`1:` before its version)
/// becomes a qualifier, as the purl type demands.
#[must_use]
pub fn purl(
    kind: PackageKind,
    distro: &str,
    release: &str,
    (name, version, architecture): (&str, &str, &str),
) -> String {
    let (epoch, version) = match (kind, version.split_once(':')) {
        (PackageKind::Rpm, Some((epoch, version))) => (Some(epoch), version),
        _ => (None, version),
    };
    let mut purl = format!(
        "pkg:{}/{}/{}@{}?arch={}&distro={}",
        kind.word(),
        encode(distro),
        encode(name),
        encode(version),
        encode(architecture),
        encode(&format!("{distro}-{release}")),
    );
    if let Some(epoch) = epoch {
        write!(purl, "&epoch={}", encode(epoch)).expect("a String takes everything");
    }
    purl
}

/// Percent-encoding of everything but letters, digits and `.-_~:`.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes everything");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_purl_specification() {
        let deb = purl(PackageKind::Deb, "debian", "trixie", ("g++", "1:2.0+b1", "amd64"));
        assert_eq!(deb, "pkg:deb/debian/g%2B%2B@1:2.0%2Bb1?arch=amd64&distro=debian-trixie");
        let rpm = purl(PackageKind::Rpm, "fedora", "42", ("curl", "2:8.1-3.fc42", "x86_64"));
        assert_eq!(rpm, "pkg:rpm/fedora/curl@8.1-3.fc42?arch=x86_64&distro=fedora-42&epoch=2");
        let apk = purl(PackageKind::Apk, "alpine", "3.23", ("a/b", "1-r0", "x86_64"));
        assert_eq!(apk, "pkg:apk/alpine/a%2Fb@1-r0?arch=x86_64&distro=alpine-3.23");
    }
}
