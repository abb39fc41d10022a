//! The mirrors that this machine's own apt uses.
//!
//! A machine inside a company or a cloud often reaches only its own mirror, and
//! its administrator has already told apt which. Only locations are taken from
//! there: what comes from them is proven by the recipe's keys. This file must
//! not know recipes, and must not open a connection.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use artifact_store::without_password;
use url::Url;

mod deb822;
mod one_line;

/// Nobody writes a longer file by hand.
const LONGEST_FILE: u64 = 1 << 20;
/// The archives whose mirrors are of use; the last part of their path.
const ARCHIVES: [&str; 3] = ["debian", "debian-security", "ubuntu"];

/// A mirror of a main archive, as apt's configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMirror {
    /// The archive's base, with a slash at its end: `dists/` and `pool/` lie below.
    pub url: Url,
    /// Which archive it mirrors: `debian`, `debian-security` or `ubuntu`.
    pub distribution_path: String,
    /// The components asked for, over all entries with this URL.
    pub components: Vec<String>,
    /// The suites asked for, over all entries with this URL.
    pub suites: Vec<String>,
    /// The file that names it first.
    pub file: PathBuf,
    /// The line of that entry, or of its first field, from 1.
    pub line: usize,
}

/// One entry of either syntax, not yet judged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    line: usize,
}

/// What a file holds: entries that are enabled and name binary packages, and
/// the line and reason of whatever cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    entries: Vec<Entry>,
    warnings: Vec<(usize, String)>,
}

/// The mirrors in apt's configuration below `root` (`/`, or a test's folder),
/// in apt's order: `sources.list` first, then the files of `sources.list.d` by
/// name. What cannot be read is logged as a warning and left out.
#[must_use]
pub fn host_mirrors(root: &Path) -> Vec<HostMirror> {
    let (mirrors, warnings) = collect(root);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    mirrors
}

fn collect(root: &Path) -> (Vec<HostMirror>, Vec<String>) {
    let (mut mirrors, mut warnings) = (Vec::new(), Vec::new());
    for file in files(&root.join("etc/apt")) {
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                warnings.push(format!("{}: {error}", file.display()));
                continue;
            }
        };
        let deb822 = file.extension().is_some_and(|extension| extension == "sources");
        let parsed = if deb822 { deb822::parse(&text) } else { one_line::parse(&text) };
        take(root, &file, parsed, &mut mirrors, &mut warnings);
    }
    (mirrors, warnings)
}

/// Puts what a file says into the list.
fn take(
    root: &Path,
    file: &Path,
    parsed: Parsed,
    mirrors: &mut Vec<HostMirror>,
    warnings: &mut Vec<String>,
) {
    let mut warn = |line: usize, reason: &str| {
        warnings.push(format!("{}:{line}: {reason}", file.display()));
    };
    for (line, reason) in parsed.warnings {
        warn(line, &reason);
    }
    for entry in parsed.entries {
        for uri in locations(root, &entry, &mut warn) {
            add(mirrors, &uri, &entry, file, &mut warn);
        }
    }
}

/// Judges one text in both syntaxes, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn judge(text: &str, root: &Path) {
    for parsed in [deb822::parse(text), one_line::parse(text)] {
        let (mut mirrors, mut warnings) = (Vec::new(), Vec::new());
        take(root, Path::new("test"), parsed, &mut mirrors, &mut warnings);
        assert!(mirrors.len() + warnings.len() <= text.len());
    }
}

/// The files that apt reads, in its order.
fn files(apt: &Path) -> Vec<PathBuf> {
    let mut names: Vec<String> = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".list") || name.ends_with(".sources"))
        // apt passes over every name with other characters, such as editors' back-ups.
        .filter(|name| !name.starts_with('.'))
        .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)))
        .collect();
    names.sort();
    let folder = apt.join("sources.list.d");
    let others = names.into_iter().map(|name| folder.join(name));
    std::iter::once(apt.join("sources.list")).chain(others).collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_FILE {
        let reason = format!("the file has more than {LONGEST_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}

/// An entry's URIs, with those that name a local list of mirrors, as cloud
/// images have them, replaced by what the list holds.
fn locations(root: &Path, entry: &Entry, warn: &mut dyn FnMut(usize, &str)) -> Vec<String> {
    let mut found = Vec::new();
    for uri in &entry.uris {
        let Some(path) = uri.strip_prefix("mirror+file:") else {
            found.push(uri.clone());
            continue;
        };
        match read(&root.join(path.trim_start_matches('/'))) {
            Ok(text) => found.extend(
                text.lines()
                    .filter_map(|line| line.split('#').next()?.split_whitespace().next())
                    .map(str::to_owned),
            ),
            Err(error) => warn(entry.line, &format!("the mirror list {path}: {error}")),
        }
    }
    found
}

/// Judges one location and puts it, or what it adds, into the list.
fn add(
    mirrors: &mut Vec<HostMirror>,
    uri: &str,
    entry: &Entry,
    file: &Path,
    warn: &mut dyn FnMut(usize, &str),
) {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" | "file" => {}
        // A disc in a drive is no mirror, and nothing is wrong with naming one.
        "cdrom" => return,
        _ => {
            return warn(
                entry.line,
                &format!("{}: only http, https and file are of use here", shown(uri)),
            );
        }
    }
    let mut url = match Url::parse(uri) {
        Ok(url) => url,
        Err(error) => return warn(entry.line, &format!("{}: {error}", shown(uri))),
    };
    let Some(archive) = archive(&url) else { return };
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    let place = mirrors.iter().position(|mirror| mirror.url == url).unwrap_or_else(|| {
        mirrors.push(HostMirror {
            url,
            distribution_path: archive.to_owned(),
            components: Vec::new(),
            suites: Vec::new(),
            file: file.to_path_buf(),
            line: entry.line,
        });
        mirrors.len() - 1
    });
    merge(&mut mirrors[place].components, &entry.components);
    merge(&mut mirrors[place].suites, &entry.suites);
}

/// A location that may be logged: as written, but for a password.
fn shown(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if url.password().is_some() => without_password(&url),
        Ok(_) => uri.to_owned(),
        // What is no URL may have a password for a reason.
        Err(_) => match uri.rsplit_once('@') {
            Some((_, place)) => format!("***@{place}"),
            None => uri.to_owned(),
        },
    }
}

fn merge(into: &mut Vec<String>, more: &[String]) {
    for word in more {
        if !into.contains(word) {
            into.push(word.clone());
        }
    }
}

/// Which archive a URL's path ends in; a snapshot's date may follow.
fn archive(url: &Url) -> Option<&'static str> {
    let mut parts = url.path_segments()?.rev().filter(|part| !part.is_empty());
    let mut last = parts.next()?;
    let is_date = |part: &str| {
        part.len() == 16
            && part.as_bytes()[8] == b'T'
            && part.ends_with('Z')
            && part.bytes().filter(u8::is_ascii_digit).count() == 14
    };
    if is_date(last) {
        last = parts.next()?;
    }
    ARCHIVES.into_iter().find(|archive| *archive == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files below a fresh root and reads them the way apt would.
    fn check(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("etc/apt").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let (mirrors, warnings) = collect(root.path());
        let prefix = format!("{}/etc/apt/", root.path().display());
        let show = |m: &HostMirror| {
            let file = m.file.strip_prefix(root.path().join("etc/apt")).unwrap().display();
            let (suites, components) = (m.suites.join(","), m.components.join(","));
            format!("{file}:{} {} {} {suites} {components}", m.line, m.distribution_path, m.url)
        };
        let warnings = warnings.iter().map(|w| w.replace(&prefix, "")).collect();
        (mirrors.iter().map(show).collect(), warnings)
    }

    #[test]
    fn both_syntaxes_are_read_in_apts_order_and_merged() {
        let (mirrors, warnings) = check(&[
            (
                "sources.list.d/b.sources",
                "Types: deb deb-src\nURIs: http://b.example.org/debian\nSuites: s\nComponents: main\n",
            ),
            ("sources.list.d/a.list", "deb [arch=amd64] https://a.example.org/x/debian/ s main\n"),
            ("sources.list.d/B.list", "deb http://upper.example.org/debian s main\n"),
            (
                "sources.list",
                "# the main one\n\
                 deb http://m.example.org/debian s main contrib\n\
                 deb-src http://src.example.org/debian s main\n\
                 deb http://m.example.org/debian/ s-updates main non-free # again\n\
                 deb http://m.example.org/debian-security s-security main\n",
            ),
        ]);
        assert_eq!(
            mirrors,
            [
                "sources.list:2 debian http://m.example.org/debian/ s,s-updates main,contrib,non-free",
                "sources.list:5 debian-security http://m.example.org/debian-security/ s-security main",
                "sources.list.d/B.list:1 debian http://upper.example.org/debian/ s main",
                "sources.list.d/a.list:1 debian https://a.example.org/x/debian/ s main",
                "sources.list.d/b.sources:1 debian http://b.example.org/debian/ s main",
            ]
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn only_mirrors_of_main_archives_count() {
        let (mirrors, warnings) = check(&[(
            "sources.list",
            "deb http://example.org/apt s main\n\
             deb http://example.org/debian-ports s main\n\
             deb http://example.org/archive/debian/20250520T000000Z s main\n\
             deb http://example.org/ubuntu s main\n\
             deb cdrom:[Some GNU/Linux 12 [amd64] disc]/ s main\n\
             deb file:/srv/debian s main\n\
             deb http:// s main\n\
             deb tor+http://example.org/debian s main\n",
        )]);
        assert_eq!(
            mirrors,
            [
                "sources.list:3 debian http://example.org/archive/debian/20250520T000000Z/ s main",
                "sources.list:4 ubuntu http://example.org/ubuntu/ s main",
                "sources.list:6 debian file:///srv/debian/ s main",
            ]
        );
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("sources.list:7: http://: "), "{warnings:?}");
        assert!(warnings[1].starts_with("sources.list:8: tor+http://"), "{warnings:?}");
    }

    #[test]
    fn a_list_of_mirrors_is_followed() {
        let stanza = |uri: &str| format!("Types: deb\nURIs: {uri}\nSuites: s\nComponents: main\n");
        let (mirrors, warnings) = check(&[
            (
                "mirrors/debian.list",
                "# two\nhttp://one.example.org/debian\tpriority:1\n\nhttps://two.example.org/debian\n",
            ),
            ("sources.list.d/a.sources", &stanza("mirror+file:///etc/apt/mirrors/debian.list")),
            ("sources.list.d/b.sources", &stanza("mirror+file:/etc/apt/mirrors/none.list")),
        ]);
        assert_eq!(
            mirrors,
            [
                "sources.list.d/a.sources:1 debian http://one.example.org/debian/ s main",
                "sources.list.d/a.sources:1 debian https://two.example.org/debian/ s main",
            ]
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("sources.list.d/b.sources:1: the mirror list"));
    }

    #[test]
    fn names_that_apt_ignores_are_ignored_and_bad_files_reported() {
        let line = "deb http://example.org/debian s main\n";
        let (mirrors, warnings) = check(&[
            ("sources.list.d/a.list~", line),
            ("sources.list.d/a b.list", line),
            ("sources.list.d/a.list.save", line),
            ("sources.list.d/folder.list/x", line),
        ]);
        assert!(mirrors.is_empty(), "{mirrors:?}");
        assert_eq!(warnings.len(), 1, "a folder named as a list: {warnings:?}");
        let long = format!("#{}\n{line}", "x".repeat(1 << 20));
        let (mirrors, warnings) = check(&[("sources.list", &long)]);
        assert!(mirrors.is_empty() && warnings[0].contains("more than"), "{warnings:?}");
        assert_eq!(check(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn no_warning_shows_a_password() {
        let (_, warnings) = check(&[(
            "sources.list",
            "deb ftp://u:secret@example.org/debian s main\n\
             deb tor+http://u:secret@example.org/debian s main\n\
             deb http://u:secret/x@example.org/debian s main\n",
        )]);
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        for warning in &warnings {
            assert!(warning.contains("@example.org/debian: "), "{warning}");
            assert!(!warning.contains("secret"), "{warning}");
        }
    }
}
