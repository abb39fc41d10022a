//! Release files: what a suite is called, what it holds, until when it may be
//! used and the digests of its indexes. The signature over the text is checked
//! before (see [`crate::openpgp`]); this reader trusts the words, not the form.

use std::collections::BTreeMap;

use super::control::{self, ControlError, once, shorten};
use super::date;

/// Most files that a Release may list; Debian's lists some thousand.
const MAX_FILES: usize = 200_000;
/// How far ahead a Release may be dated before the clock is to blame, in seconds.
const MAX_FUTURE: i64 = 24 * 3600;

/// Why a Release is of no use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReleaseError {
    /// It is not in control syntax or lacks a field.
    #[error("not a Release file: {0}")]
    Format(#[from] ControlError),
    /// It says that it is no longer to be used.
    #[error(
        "the Release expired on {until}; the mirror is stale, someone replays an old \
         one, or this machine's clock is wrong"
    )]
    Expired {
        /// Its Valid-Until, as written.
        until: String,
    },
    /// It was made more than a day from now.
    #[error("the Release is dated {date}, which is in the future; check this machine's clock")]
    FromTheFuture {
        /// Its Date, as written.
        date: String,
    },
    /// It is the Release of another suite.
    #[error("asked for the suite {wanted}, but the Release is of {found}")]
    WrongSuite {
        /// The suite or codename that was asked for.
        wanted: String,
        /// What it calls itself.
        found: String,
    },
    /// The suite has no such component.
    #[error("the suite has no component {wanted}; there are: {existing}")]
    NoComponent {
        /// The component that was asked for.
        wanted: String,
        /// Those that exist.
        existing: String,
    },
    /// The suite has no such architecture.
    #[error("the suite has no architecture {wanted}; there are: {existing}")]
    NoArchitecture {
        /// The architecture that was asked for.
        wanted: String,
        /// Those that exist.
        existing: String,
    },
    /// It lists no index in a compression that is understood.
    #[error("the Release lists no {0}, neither as .xz, .gz nor plain")]
    NoIndex(String),
}

/// Size and digest of a file below the suite's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// A Release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it (`Debian`); empty where it doesn't say.
    pub origin: String,
    /// Its suite (`stable`), if it says one.
    pub suite: Option<String>,
    /// Its codename (`trixie`), if it says one.
    pub codename: Option<String>,
    /// When it was made, in seconds since 1970 UTC.
    pub date: i64,
    /// Until when it may be used, in seconds since 1970 UTC.
    pub valid_until: Option<i64>,
    /// Architectures that the suite has.
    pub architectures: Vec<String>,
    /// Components that the suite has.
    pub components: Vec<String>,
    /// Whether files can be had by their digest, which no mirror update can tear.
    pub by_hash: bool,
    files: BTreeMap<String, Listed>,
    date_text: String,
    until_text: String,
}

impl Release {
    /// Reads a Release file.
    ///
    /// # Errors
    /// [`ReleaseError::Format`].
    pub fn parse(text: &[u8]) -> Result<Self, ReleaseError> {
        let mut paragraphs = control::paragraphs(text);
        let paragraph = paragraphs.next().unwrap_or_default();
        if paragraphs.next().is_some() {
            return Err(ControlError::value("Release", b"two paragraphs").into());
        }
        let mut raw = Raw::default();
        for field in control::fields(paragraph) {
            let field = field?;
            let (slot, name) = match field.name {
                b"Origin" => (&mut raw.origin, "Origin"),
                b"Suite" => (&mut raw.suite, "Suite"),
                b"Codename" => (&mut raw.codename, "Codename"),
                b"Date" => (&mut raw.date, "Date"),
                b"Valid-Until" => (&mut raw.valid_until, "Valid-Until"),
                b"Architectures" => (&mut raw.architectures, "Architectures"),
                b"Components" => (&mut raw.components, "Components"),
                b"Acquire-By-Hash" => (&mut raw.by_hash, "Acquire-By-Hash"),
                b"SHA256" => (&mut raw.sha256, "SHA256"),
                _ => continue,
            };
            once(slot, name, field.value)?;
        }
        raw.resolve()
    }

    /// Whether this Release is the one that was asked for, and may be used at
    /// `now` (seconds since 1970 UTC). `suite` is a suite's name or codename.
    ///
    /// # Errors
    /// A [`ReleaseError`] that names what exists.
    pub fn check(
        &self,
        suite: &str,
        components: &[String],
        architecture: &str,
        now: i64,
    ) -> Result<(), ReleaseError> {
        if self.valid_until.is_some_and(|until| now > until) {
            return Err(ReleaseError::Expired { until: self.until_text.clone() });
        }
        if self.date > now.saturating_add(MAX_FUTURE) {
            return Err(ReleaseError::FromTheFuture { date: self.date_text.clone() });
        }
        let names = [&self.codename, &self.suite];
        // `trixie/updates` style suites are asked for by path and named by it.
        if !names.iter().any(|name| name.as_deref() == Some(suite)) {
            let found: Vec<&str> = names.iter().filter_map(|name| name.as_deref()).collect();
            return Err(ReleaseError::WrongSuite {
                wanted: suite.to_owned(),
                found: found.join(" or "),
            });
        }
        for component in components {
            if !self.components.contains(component) {
                return Err(ReleaseError::NoComponent {
                    wanted: component.clone(),
                    existing: self.components.join(", "),
                });
            }
        }
        if !self.architectures.iter().any(|a| a == architecture) {
            return Err(ReleaseError::NoArchitecture {
                wanted: architecture.to_owned(),
                existing: self.architectures.join(", "),
            });
        }
        Ok(())
    }

    /// The listed file at `path`, which is relative to the suite's folder.
    pub fn file(&self, path: &str) -> Option<Listed> {
        self.files.get(path).copied()
    }
}

/// The fields as written.
#[derive(Default)]
struct Raw<'a> {
    origin: Option<&'a [u8]>,
    suite: Option<&'a [u8]>,
    codename: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    valid_until: Option<&'a [u8]>,
    architectures: Option<&'a [u8]>,
    components: Option<&'a [u8]>,
    by_hash: Option<&'a [u8]>,
    sha256: Option<&'a [u8]>,
}

impl Raw<'_> {
    fn resolve(self) -> Result<Release, ReleaseError> {
        let date_text = text("Date", self.date.ok_or(ControlError::Missing("Date"))?)?;
        let date = seconds("Date", &date_text)?;
        let until_text = optional("Valid-Until", self.valid_until)?.unwrap_or_default();
        let valid_until = match self.valid_until {
            Some(_) => Some(seconds("Valid-Until", &until_text)?),
            None => None,
        };
        Ok(Release {
            origin: optional("Origin", self.origin)?.unwrap_or_default(),
            suite: optional("Suite", self.suite)?,
            codename: optional("Codename", self.codename)?,
            date,
            valid_until,
            architectures: words("Architectures", self.architectures)?,
            components: words("Components", self.components)?,
            by_hash: self.by_hash == Some(b"yes"),
            files: listed(self.sha256.ok_or(ControlError::Missing("SHA256"))?)?,
            date_text,
            until_text,
        })
    }
}

fn text(name: &'static str, value: &[u8]) -> Result<String, ControlError> {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(ControlError::value(name, value)),
    }
}

fn optional(name: &'static str, value: Option<&[u8]>) -> Result<Option<String>, ControlError> {
    value.map(|value| text(name, value)).transpose()
}

fn words(name: &'static str, value: Option<&[u8]>) -> Result<Vec<String>, ControlError> {
    let value = text(name, value.ok_or(ControlError::Missing(name))?)?;
    Ok(value.split_ascii_whitespace().map(str::to_owned).collect())
}

fn seconds(name: &'static str, value: &str) -> Result<i64, ControlError> {
    date::parse(value).ok_or_else(|| ControlError::value(name, value.as_bytes()))
}

/// Reads lines of `digest size path`.
fn listed(value: &[u8]) -> Result<BTreeMap<String, Listed>, ControlError> {
    let mut files = BTreeMap::new();
    let lines = value.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| !line.is_empty()) {
        let bad = || ControlError::Value { field: "SHA256", value: shorten(line) };
        let line_text = std::str::from_utf8(line).map_err(|_| bad())?;
        let mut words = line_text.split_ascii_whitespace();
        let (Some(digest), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad());
        };
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).map_err(|_| bad())?;
        let entry = Listed { size: size.parse().map_err(|_| bad())?, sha256 };
        if files.insert(path.to_owned(), entry).is_some_and(|before| before != entry) {
            return Err(bad());
        }
        if files.len() > MAX_FILES {
            return Err(ControlError::TooLarge);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "\
Origin: Debian
Suite: stable
Codename: trixie
Date: Sat, 09 Aug 2025 10:27:54 UTC
Valid-Until: Sat, 16 Aug 2025 10:27:54 UTC
Acquire-By-Hash: yes
Architectures: all amd64 arm64
Components: main contrib
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages
";
    const NOW: i64 = 1_754_800_000;

    fn components(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_release_is_read() {
        let release = Release::parse(RELEASE.as_bytes()).unwrap();
        assert_eq!(release.codename.as_deref(), Some("trixie"));
        assert!(release.by_hash);
        let file = release.file("main/binary-amd64/Packages").unwrap();
        assert_eq!((file.size, file.sha256[0]), (0, 0xe3));
        assert_eq!(release.file("main/binary-arm64/Packages"), None);
        for suite in ["trixie", "stable"] {
            assert_eq!(release.check(suite, &components(&["main"]), "amd64", NOW), Ok(()));
        }
    }

    #[test]
    fn the_wrong_release_is_refused_by_name() {
        let release = Release::parse(RELEASE.as_bytes()).unwrap();
        let said = |suite: &str, component: &str, architecture: &str, now: i64| {
            let result = release.check(suite, &components(&[component]), architecture, now);
            result.unwrap_err().to_string()
        };
        assert_eq!(
            said("bookworm", "main", "amd64", NOW),
            "asked for the suite bookworm, but the Release is of trixie or stable"
        );
        assert_eq!(
            said("trixie", "universe", "amd64", NOW),
            "the suite has no component universe; there are: main, contrib"
        );
        assert_eq!(
            said("trixie", "main", "x86_64", NOW),
            "the suite has no architecture x86_64; there are: all, amd64, arm64"
        );
        assert!(said("trixie", "main", "amd64", NOW + 7 * 86_400).contains("16 Aug 2025"));
        assert!(said("trixie", "main", "amd64", NOW - 7 * 86_400).contains("in the future"));
    }

    #[test]
    fn a_broken_release_is_refused() {
        let cases = [
            (RELEASE.replace("Date: Sat", "Was: Sat"), "the field Date is missing"),
            (RELEASE.replace("SHA256", "SHA1"), "the field SHA256 is missing"),
            (RELEASE.replace("Components", "Suite"), "the field Suite is given twice"),
            (RELEASE.replace("e3b0", "zzzz"), "the field SHA256 can't be"),
            (RELEASE.replace("        0 main", " -1 main"), "the field SHA256 can't be"),
            (RELEASE.replace("16 Aug", "96 Aug"), "the field Valid-Until can't be"),
            (format!("{RELEASE}\nSuite: x\n"), "two paragraphs"),
            (String::new(), "the field Date is missing"),
        ];
        for (text, expected) in cases {
            let said = Release::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    }
}
