//! `.PKGINFO`, a package's own words about itself: `key = value` lines. It does
//! not know the file around it.

use super::constraint::{Dependency, parse_dependency, parse_provide, parse_relations};
use super::error::ApkError;
use crate::package::{Provide, Relation, Requirement};

/// What a package says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PkgInfo {
    /// `pkgname`.
    pub name: String,
    /// `pkgver`.
    pub version: String,
    /// `arch`.
    pub architecture: String,
    /// `pkgdesc`, one line.
    pub description: String,
    /// `url` of the project.
    pub url: String,
    /// `license`, an SPDX expression as a rule.
    pub license: String,
    /// `origin`, the source package.
    pub origin: String,
    /// `commit` of the packaging.
    pub commit: String,
    /// `builddate`, seconds since 1970 UTC.
    pub build_date: u64,
    /// `size`, bytes of the installed files.
    pub installed_size: u64,
    /// `depend` without a leading `!`.
    pub depends: Vec<Requirement>,
    /// `depend = !…`.
    pub conflicts: Vec<Relation>,
    /// `provides`.
    pub provides: Vec<Provide>,
    /// `replaces`: packages whose files this one may overwrite. Real indexes do
    /// not repeat it.
    pub replaces: Vec<Relation>,
    /// `replaces_priority`: of two packages that replace each other, the higher wins.
    pub replaces_priority: u32,
    /// `triggers`: folders whose changes run the trigger script.
    pub triggers: Vec<String>,
    /// `datahash`, the SHA-256 of the compressed data stream.
    pub data_sha256: [u8; 32],
}

impl PkgInfo {
    /// Reads the text of `.PKGINFO`. Keys that are not known are passed over.
    ///
    /// # Errors
    /// [`ApkError::PkgInfoLine`] and [`ApkError::PkgInfoField`].
    pub(super) fn parse(text: &[u8]) -> Result<Self, ApkError> {
        let mut info = Self::default();
        let mut data_sha256 = None;
        for (index, line) in text.split(|&b| b == b'\n').enumerate() {
            let fail = |reason: String| ApkError::PkgInfoLine { line: index + 1, reason };
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| fail("it is not of the form key = value".to_owned()))?;
            let (key, value) = (key.trim(), value.trim());
            if key == "datahash" {
                let mut digest = [0_u8; 32];
                hex::decode_to_slice(value, &mut digest)
                    .map_err(|_| fail(format!("\"{}\" is no SHA-256", value.escape_debug())))?;
                data_sha256 = Some(digest);
            } else {
                info.take(key, value).map_err(fail)?;
            }
        }
        info.data_sha256 = data_sha256.ok_or(ApkError::PkgInfoField("datahash"))?;
        for (value, key) in
            [(&info.name, "pkgname"), (&info.version, "pkgver"), (&info.architecture, "arch")]
        {
            if value.is_empty() {
                return Err(ApkError::PkgInfoField(key));
            }
        }
        Ok(info)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "pkgname" => value.clone_into(&mut self.name),
            "pkgver" => value.clone_into(&mut self.version),
            "arch" => value.clone_into(&mut self.architecture),
            "pkgdesc" => value.clone_into(&mut self.description),
            "url" => value.clone_into(&mut self.url),
            "license" => value.clone_into(&mut self.license),
            "origin" => value.clone_into(&mut self.origin),
            "commit" => value.clone_into(&mut self.commit),
            "builddate" => self.build_date = number(value)?,
            "size" => self.installed_size = number(value)?,
            "replaces_priority" => self.replaces_priority = number(value)?,
            "depend" => match parse_dependency(value)? {
                Dependency::Needs(requirement) => self.depends.push(requirement),
                Dependency::Excludes(relations) => self.conflicts.extend(relations),
            },
            "provides" => self.provides.push(parse_provide(value)?),
            "replaces" => self.replaces.extend(parse_relations(value)?),
            "triggers" => {
                self.triggers.extend(value.split_ascii_whitespace().map(str::to_owned));
            }
            _ => {}
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("\"{}\" is no whole number", value.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_unknown_ones_passed_over() {
        let text = format!(
            "# made by a test\npkgname = openrc\npkgver = 0.63-r1\narch = x86_64\nsize = 12\n\
             depend = /bin/sh\ndepend = !sysvinit<3\nprovides = cmd:openrc=0.63-r1\n\
             replaces = alpine-baselayout\nreplaces_priority = 7\ntriggers = /bin /lib/modules/*\n\
             newfangled = yes\nurl = https://example.org/?a=b\ndatahash = {}\n",
            "ab".repeat(32)
        );
        let info = PkgInfo::parse(text.as_bytes()).unwrap();
        assert_eq!(info.name, "openrc");
        assert_eq!(info.url, "https://example.org/?a=b");
        assert_eq!(info.depends.len(), 1);
        assert_eq!(info.conflicts[0].to_string(), "sysvinit (< 3)");
        assert_eq!(info.replaces[0].to_string(), "alpine-baselayout");
        assert_eq!(info.replaces_priority, 7);
        assert_eq!(info.triggers, ["/bin", "/lib/modules/*"]);
        assert_eq!(info.data_sha256, [0xab; 32]);
    }

    #[test]
    fn flaws_are_named_by_line_or_field() {
        let message = |text: &str| PkgInfo::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(message("pkgname"), "line 1 of .PKGINFO: it is not of the form key = value");
        assert_eq!(message("\nsize = many"), "line 2 of .PKGINFO: \"many\" is no whole number");
        assert_eq!(message("datahash = 12"), "line 1 of .PKGINFO: \"12\" is no SHA-256");
        assert_eq!(message("pkgname = a"), ".PKGINFO says no datahash");
        let hash = format!("datahash = {}\npkgname = a\npkgver = 1", "00".repeat(32));
        assert_eq!(message(&hash), ".PKGINFO says no arch");
    }
}
