//! apk's database of installed packages (`lib/apk/db/installed`).
//!
//! Dependencies stay the words that they are, since they are only written out
//! again. The module knows the database's text, not the files it speaks of.

use repository::apk::parse_checksum;

use crate::error::MirrorError;

/// Owner and permissions, with the access bits of the type they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub uid: u64,
    pub gid: u64,
    pub mode: u32,
}

/// A file or symbolic link of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstalledFile {
    pub name: String,
    pub access: Access,
    /// SHA-1 of its content, or of a link's target.
    pub sha1: Option<[u8; 20]>,
}

/// A folder of a package, with the files that the package has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Path without a leading slash; empty for the root.
    pub path: String,
    pub access: Access,
    pub files: Vec<InstalledFile>,
}

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    /// The identity it was installed from.
    pub identity: [u8; 20],
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub installed_size: u64,
    pub description: String,
    pub url: String,
    pub license: String,
    pub origin: String,
    pub maintainer: String,
    /// Seconds since 1970 UTC.
    pub build_time: u64,
    pub commit: String,
    pub provider_priority: String,
    pub replaces_priority: String,
    pub depends: Vec<String>,
    pub provides: Vec<String>,
    pub install_if: Vec<String>,
    pub replaces: Vec<String>,
    pub folders: Vec<Folder>,
    /// Whether the database names extended attributes, which are not rebuilt.
    pub has_xattrs: bool,
}

const FOLDER: Access = Access { uid: 0, gid: 0, mode: 0o755 };
const FILE: Access = Access { uid: 0, gid: 0, mode: 0o644 };

/// Reads the whole database.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Installed>, MirrorError> {
    let mut packages = Vec::new();
    let mut current: Option<Installed> = None;
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let fail = |reason: String| MirrorError::Database { line: index + 1, reason };
        if line.is_empty() {
            packages.extend(current.take().map(|p| finish(p).map_err(fail)).transpose()?);
            continue;
        }
        let line = std::str::from_utf8(line).map_err(|_| fail("it is not UTF-8".to_owned()))?;
        let (letter, value) = line
            .split_once(':')
            .filter(|(letter, _)| letter.len() == 1)
            .ok_or_else(|| fail("it is not of the form X:value".to_owned()))?;
        take(current.get_or_insert_default(), letter, value).map_err(fail)?;
    }
    let last = |reason| MirrorError::Database { line: text.len(), reason };
    packages.extend(current.map(|p| finish(p).map_err(last)).transpose()?);
    Ok(packages)
}

fn take(package: &mut Installed, letter: &str, value: &str) -> Result<(), String> {
    let words = || value.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let text = || value.to_owned();
    match letter {
        "C" => package.identity = checksum(value)?,
        "P" => package.name = plain(value)?,
        "V" => package.version = plain(value)?,
        "A" => package.architecture = plain(value)?,
        "I" => package.installed_size = number(value)?,
        "T" => package.description = text(),
        "U" => package.url = text(),
        "L" => package.license = text(),
        "o" => package.origin = text(),
        "m" => package.maintainer = text(),
        "t" => package.build_time = number(value)?,
        "c" => package.commit = text(),
        "k" => package.provider_priority = number::<u32>(value)?.to_string(),
        "q" => package.replaces_priority = number::<u32>(value)?.to_string(),
        "D" => package.depends = words(),
        "p" => package.provides = words(),
        "i" => package.install_if = words(),
        "r" => package.replaces = words(),
        "F" => {
            inside(value)?;
            package.folders.push(Folder { path: text(), access: FOLDER, files: Vec::new() });
        }
        "M" => {
            let (access, xattrs) = access(value)?;
            package.has_xattrs |= xattrs;
            package.folders.last_mut().ok_or("M: before any folder")?.access = access;
        }
        "R" => {
            inside(value)?;
            let folder = package.folders.last_mut().ok_or("R: before any folder")?;
            folder.files.push(InstalledFile { name: text(), access: FILE, sha1: None });
        }
        "a" => {
            let (access, xattrs) = access(value)?;
            package.has_xattrs |= xattrs;
            last_file(package)?.access = access;
        }
        "Z" => last_file(package)?.sha1 = Some(checksum(value)?),
        _ => {}
    }
    Ok(())
}

fn last_file(package: &mut Installed) -> Result<&mut InstalledFile, String> {
    let folder = package.folders.last_mut();
    folder.and_then(|f| f.files.last_mut()).ok_or_else(|| "it stands before any file".to_owned())
}

fn finish(package: Installed) -> Result<Installed, String> {
    for (letter, value) in
        [("P", &package.name), ("V", &package.version), ("A", &package.architecture)]
    {
        if value.is_empty() {
            return Err(format!("the package above has no {letter}: line"));
        }
    }
    Ok(package)
}

/// A word that becomes part of a file's name.
fn plain(value: &str) -> Result<String, String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._+-~".contains(&b);
    if value.is_empty() || value.starts_with('.') || !value.bytes().all(fine) {
        return Err(format!("\"{}\" cannot be part of a file's name", value.escape_debug()));
    }
    Ok(value.to_owned())
}

/// A path that stays below where it begins.
fn inside(value: &str) -> Result<(), String> {
    let fine = |part: &str| !part.is_empty() && part != "." && part != "..";
    if value.contains('\0') || !(value.is_empty() || value.split('/').all(fine)) {
        return Err(format!("\"{}\" is no path below the root", value.escape_debug()));
    }
    Ok(())
}

fn checksum(value: &str) -> Result<[u8; 20], String> {
    parse_checksum(value).ok_or_else(|| format!("\"{}\" is no Q1 checksum", value.escape_debug()))
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("\"{}\" is no whole number", value.escape_debug()))
}

/// `uid:gid:mode`, and whether a checksum of extended attributes follows.
fn access(value: &str) -> Result<(Access, bool), String> {
    let mut parts = value.split(':');
    let (Some(uid), Some(gid), Some(mode)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("\"{}\" is not uid:gid:mode", value.escape_debug()));
    };
    let bits = u32::from_str_radix(mode, 8).ok().filter(|&bits| bits <= 0o7777);
    let mode = bits.ok_or_else(|| format!("\"{}\" is no octal mode", mode.escape_debug()))?;
    Ok((Access { uid: number(uid)?, gid: number(gid)?, mode }, parts.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_folders_and_files_are_read() {
        let text = "C:Q1VFqm8pEgmviZMrdh2eQiwneFlsw=\nP:base\nV:1-r0\nA:x86_64\nI:12\nt:7\n\
                    D:/bin/sh musl>=1\nr:old\nq:3\nF:\nF:etc\nM:0:5:1777\nR:motd\nR:shadow\n\
                    a:0:42:640\nZ:Q1VFqm8pEgmviZMrdh2eQiwneFlsw=\n\nP:b\nV:2\nA:x86_64";
        let [base, b] = &parse(text.as_bytes()).unwrap()[..] else { panic!("two packages") };
        assert_eq!((base.build_time, base.depends.len(), b.name.as_str()), (7, 2, "b"));
        assert_eq!((base.replaces_priority.as_str(), base.provider_priority.as_str()), ("3", ""));
        let [root, etc] = &base.folders[..] else { panic!("two folders") };
        assert_eq!((root.path.as_str(), root.access), ("", FOLDER));
        assert_eq!(etc.access, Access { uid: 0, gid: 5, mode: 0o1777 });
        assert_eq!((etc.files[0].access, etc.files[0].sha1), (FILE, None));
        assert_eq!(etc.files[1].access, Access { uid: 0, gid: 42, mode: 0o640 });
        assert!(etc.files[1].sha1.is_some() && !base.has_xattrs);
    }

    #[test]
    fn flaws_are_named_by_line() {
        let table = [
            ("P", "line 1 of the package database: it is not of the form X:value"),
            ("P:a/b", "line 1 of the package database: \"a/b\" cannot be part of a file's name"),
            (
                "P:a\nF:../etc",
                "line 2 of the package database: \"../etc\" is no path below the root",
            ),
            ("F:etc\nR:..", "line 2 of the package database: \"..\" is no path below the root"),
            ("R:a", "line 1 of the package database: R: before any folder"),
            (
                "F:a\nZ:Q1VFqm8pEgmviZMrdh2eQiwneFlsw=",
                "line 2 of the package database: it stands before any file",
            ),
            ("F:a\nM:0:0:9", "line 2 of the package database: \"9\" is no octal mode"),
            ("F:a\nM:0:0", "line 2 of the package database: \"0:0\" is not uid:gid:mode"),
            ("P:a\nV:1\n\n", "line 3 of the package database: the package above has no A: line"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected);
        }
    }
}
