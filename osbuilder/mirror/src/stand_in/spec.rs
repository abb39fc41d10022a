//! The spec file by which rpmbuild packs a folder as it is: no compiling, no
//! scripts, and only the dependencies that files and names speak of.

use std::fmt::Write as _;

/// A package to be packed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: String,
    /// Debian's version; [`rpm_version`] is what becomes of it.
    pub(super) version: String,
    /// Debian's packages in it.
    pub(super) made_of: Vec<String>,
    /// Whether there is nothing of a processor in it.
    pub(super) noarch: bool,
    pub(super) provides: Vec<String>,
    pub(super) requires: Vec<String>,
    /// The folder whose content is packed, an absolute path.
    pub(super) tree: String,
    /// Names in that folder.
    pub(super) top: Vec<String>,
}

/// What changes nothing about the files: no build identifiers, no debug
/// packages, nothing stripped, quick compression, and no dependency on
/// interpreters that only tools for administrators want.
const MACROS: &str = "%global _build_id_links none
%global debug_package %{nil}
%global __os_install_post %{nil}
%global __brp_mangle_shebangs %{nil}
%global _binary_payload w3.zstdio
%global __requires_exclude ^/usr/bin/(awk|perl|python3?)$
";

impl Spec {
    /// The text of the spec file.
    pub(super) fn text(&self) -> String {
        let mut text = MACROS.to_owned();
        let (epoch, version, release) = rpm_version(&self.version);
        let made_of = self.made_of.join(", ");
        let mut line = |key: &str, value: &str| {
            writeln!(text, "{key}: {value}").expect("a String takes everything");
        };
        line("Name", &self.name);
        if let Some(epoch) = epoch {
            line("Epoch", &epoch);
        }
        line("Version", &version);
        line("Release", &release);
        line("Summary", &format!("Files of Debian's {made_of}"));
        line("License", "as of Debian");
        if self.noarch {
            line("BuildArch", "noarch");
        }
        for provided in &self.provides {
            line("Provides", provided);
        }
        for required in &self.requires {
            line("Requires", required);
        }
        let files: String = self.top.iter().map(|name| format!("/{name}\n")).collect();
        write!(
            text,
            "%description\nThe files of {made_of} under another name.\n\
             %install\ncp -a '{}/.' '%{{buildroot}}/'\n\
             %files\n%defattr(-,root,root,-)\n{files}",
            self.tree
        )
        .expect("a String takes everything");
        text
    }
}

/// Epoch, version and release out of a version of Debian, which may have a dash
/// in more places.
pub(super) fn rpm_version(version: &str) -> (Option<String>, String, String) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch.to_owned()), rest),
        None => (None, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "1"));
    (epoch, upstream.replace(['-', ':'], "."), revision.replace(['-', ':'], "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_lose_their_dashes_only() {
        let of = |version| rpm_version(version);
        assert_eq!(of("1:2.36-9+deb12u1"), (Some("1".into()), "2.36".into(), "9+deb12u1".into()));
        assert_eq!(of("13.8"), (None, "13.8".into(), "1".into()));
        assert_eq!(of("2025-01-02-3~x"), (None, "2025.01.02".into(), "3~x".into()));
    }

    #[test]
    fn a_spec_packs_a_folder_and_runs_nothing() {
        let spec = Spec {
            name: "bash".into(),
            version: "5.2-1".into(),
            made_of: vec!["bash".into()],
            provides: vec!["/bin/sh".into()],
            tree: "/tmp/a b".into(),
            top: vec!["etc".into(), "usr".into()],
            ..Spec::default()
        };
        let text = spec.text();
        assert!(text.contains("Name: bash\nVersion: 5.2\nRelease: 1\n"), "{text}");
        assert!(text.contains("cp -a '/tmp/a b/.' '%{buildroot}/'\n"), "{text}");
        assert!(text.ends_with("%files\n%defattr(-,root,root,-)\n/etc\n/usr\n"), "{text}");
        assert!(!text.contains("%post") && !text.contains("BuildArch"), "{text}");
    }
}
