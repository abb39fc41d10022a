//! What the host must have to build a kernel, what of it is missing, and which
//! versions of it decide the bytes. It installs nothing.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use duct::cmd;

/// Something that the host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTool {
    /// A program, or a header in angle brackets.
    pub name: &'static str,
    /// What the build does with it.
    pub what_for: &'static str,
    /// The Debian package that has it.
    pub apt_package: &'static str,
}

const fn tool(
    name: &'static str,
    what_for: &'static str,
    apt_package: &'static str,
) -> MissingTool {
    MissingTool { name, what_for, apt_package }
}

/// All that a build starts, beyond what every Debian system has.
const TOOLS: [MissingTool; 10] = [
    tool("gcc", "compiles the kernel", "gcc"),
    tool("ld", "links it", "binutils"),
    tool("objcopy", "takes the boot image out of it", "binutils"),
    tool("make", "runs the build", "make"),
    tool("flex", "makes Kconfig's scanner", "flex"),
    tool("bison", "makes Kconfig's parser", "bison"),
    tool("bc", "computes time constants", "bc"),
    tool("awk", "makes the tables of instructions", "mawk"),
    tool("gzip", "compresses the boot image", "gzip"),
    tool("cmp", "tells whether generated files changed", "diffutils"),
];
const PATCH: MissingTool = tool("patch", "applies the patches", "patch");

/// Headers that programs of the build itself include.
const HEADERS: [MissingTool; 2] = [
    tool("<gelf.h>", "objtool reads object files with it", "libelf-dev"),
    tool("<stdlib.h>", "the build's own programs need the C library", "libc6-dev"),
];

/// What the host lacks to build a kernel for `architecture`.
#[must_use]
pub fn missing_tools(architecture: &str) -> Vec<MissingTool> {
    missing(architecture, false, &env::var_os("PATH").unwrap_or_default())
}

pub(crate) fn missing(architecture: &str, patches: bool, path: &OsStr) -> Vec<MissingTool> {
    // Only x86_64 can be built yet; another one fails with its own message.
    if architecture != "x86_64" {
        return Vec::new();
    }
    let mut missing: Vec<MissingTool> = TOOLS
        .into_iter()
        .chain(patches.then_some(PATCH))
        .filter(|tool| find(tool.name, path).is_none())
        .collect();
    if let Some(gcc) = find("gcc", path) {
        missing.extend(HEADERS.into_iter().filter(|header| !has_header(&gcc, header.name, path)));
    } else {
        // Without a compiler its include path is unknown: name the headers too,
        // or the user would install twice.
        missing.extend(HEADERS);
    }
    missing
}

/// The command that installs what is missing on Debian and its relatives.
#[must_use]
pub fn install_command(tools: &[MissingTool]) -> String {
    let mut packages: Vec<&str> = tools.iter().map(|tool| tool.apt_package).collect();
    packages.sort_unstable();
    packages.dedup();
    format!("apt-get install --no-install-recommends {}", packages.join(" "))
}

fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(|file| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

fn has_header(gcc: &Path, name: &str, path: &OsStr) -> bool {
    cmd!(gcc, "-E", "-x", "c", "-")
        .stdin_bytes(format!("#include {name}\n"))
        .full_env(environment(path))
        .stdout_null()
        .stderr_null()
        .unchecked()
        .run()
        .is_ok_and(|output| output.status.success())
}

/// The whole environment of every program that the build starts: the search
/// path, and one language for messages and sorting.
pub(crate) fn environment(path: &OsStr) -> BTreeMap<OsString, OsString> {
    BTreeMap::from([("PATH".into(), path.to_owned()), ("LC_ALL".into(), "C".into())])
}

/// The first line that each program whose version can change a byte of the
/// kernel says about itself.
pub(crate) fn versions(path: &OsStr) -> std::io::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for name in ["gcc", "as", "ld", "flex", "bison", "bc", "gzip"] {
        let text = cmd!(name, "--version").full_env(environment(path)).stderr_null().read()?;
        versions.insert(name.to_owned(), text.lines().next().unwrap_or_default().to_owned());
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path_with(programs: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, script) in programs {
            let file = dir.path().join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    fn names(tools: &[MissingTool]) -> Vec<&str> {
        tools.iter().map(|tool| tool.name).collect()
    }

    #[test]
    fn everything_missing_is_named_at_once_with_one_command() {
        let path = path_with(&[]);
        let all = missing("x86_64", true, path.path().as_os_str());
        assert_eq!(
            names(&all),
            [
                "gcc",
                "ld",
                "objcopy",
                "make",
                "flex",
                "bison",
                "bc",
                "awk",
                "gzip",
                "cmp",
                "patch",
                "<gelf.h>",
                "<stdlib.h>"
            ]
        );
        assert_eq!(
            install_command(&all),
            "apt-get install --no-install-recommends bc binutils bison diffutils flex gcc \
             gzip libc6-dev libelf-dev make mawk patch"
        );
    }

    #[test]
    fn headers_are_asked_of_the_compiler() {
        let rest: Vec<_> = TOOLS.iter().skip(1).map(|tool| (tool.name, "")).collect();
        let knows_stdlib =
            [&rest[..], &[("gcc", "read line; [ \"$line\" = '#include <stdlib.h>' ]")]];
        let path = path_with(&knows_stdlib.concat());
        assert_eq!(names(&missing("x86_64", false, path.path().as_os_str())), ["<gelf.h>"]);
        let path = path_with(&[&rest[..], &[("gcc", "read line; true")]].concat());
        assert!(missing("x86_64", false, path.path().as_os_str()).is_empty());
        assert_eq!(names(&missing("x86_64", true, path.path().as_os_str())), ["patch"]);
    }

    #[test]
    fn a_file_that_cannot_run_is_no_tool() {
        let path = path_with(&[("bc", "")]);
        let bc = path.path().join("bc");
        assert!(find("bc", path.path().as_os_str()).is_some());
        fs::set_permissions(&bc, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(find("bc", path.path().as_os_str()).is_none());
    }

    #[test]
    fn versions_are_first_lines() {
        let says = |name| (name, "echo \"$0 1.2\" | sed 's/.*\\///'; echo more");
        let dir = path_with(&["gcc", "as", "ld", "flex", "bison", "bc", "gzip"].map(says));
        let mut path = dir.path().as_os_str().to_owned();
        path.push(":/usr/bin:/bin");
        let versions = versions(&path).unwrap();
        assert_eq!(versions["gcc"], "gcc 1.2");
        assert_eq!(versions.len(), 7);
        assert!(super::versions(path_with(&[]).path().as_os_str()).is_err());
    }
}
