//! Host programs that pack and sign, run to their end; what they said is told
//! only where they fail.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::MirrorError;

/// Debian's package of each program.
const PACKAGES: [(&str, &str); 5] = [
    ("rpmbuild", "rpm"),
    ("rpmsign", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("gpg", "gnupg"),
    ("gpgconf", "gnupg"),
];

/// What to say where a program is not there.
fn lacking(program: &'static str) -> MirrorError {
    let known = PACKAGES.iter().find(|(name, _)| *name == program);
    MirrorError::NoProgram { program, package: known.map_or(program, |(_, name)| name) }
}

/// The file that a program's name leads to.
pub(super) fn place_of(program: &'static str) -> Result<PathBuf, MirrorError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| lacking(program))
}

/// Runs `program` in the locale that messages are read in.
pub(super) fn run<A: Into<OsString>>(
    program: &'static str,
    arguments: impl IntoIterator<Item = A>,
    home: &Path,
) -> Result<Vec<u8>, MirrorError> {
    let arguments = arguments.into_iter().map(Into::into);
    let mut command = Command::new(program);
    command.args(arguments).env("GNUPGHOME", home).env("HOME", home).env("LC_ALL", "C.UTF-8");
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => lacking(program),
        _ => MirrorError::io(Path::new(program))(error),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let reason = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(MirrorError::Program { program, reason })
}
