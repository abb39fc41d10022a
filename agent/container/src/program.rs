//! The container's program: where it is, and its environment.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};
use oci_spec::runtime::Process;

use crate::error::Error;

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a spec; the last value of a name counts. The home folder is added
/// if there is none.
pub(crate) fn environment(process: &Process, home: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for one in process.env().iter().flatten() {
        let name = one.split_once('=').map_or(one.as_str(), |(name, _)| name);
        let same = |other: &String| other.split_once('=').is_some_and(|(other, _)| other == name);
        all.retain(|other| !same(other));
        all.push(one.clone());
    }
    let homeless = |one: &String| one == "HOME=";
    all.retain(|one| !homeless(one));
    if !all.iter().any(|one| one.starts_with("HOME=")) {
        all.push(format!("HOME={home}"));
    }
    all
}

/// Looks the program up, as this process now is: in its root, as its user, in its
/// folder.
pub(crate) fn find(process: &Process, environment: &[String]) -> Result<PathBuf, Error> {
    let name = process.args().iter().flatten().next().map(String::as_str).unwrap_or_default();
    let executable = |path: &Path| path.is_file() && eaccess(path, AccessFlags::X_OK).is_ok();
    if name.contains('/') {
        let path = PathBuf::from(name);
        return match std::fs::metadata(&path) {
            Err(error) => Err(Error::Stage(format!("can't execute {name}: {error}"))),
            Ok(_) if executable(&path) => Ok(path),
            Ok(_) => Err(Error::Stage(format!("can't execute {name}: permission denied"))),
        };
    }
    let path = environment.iter().find_map(|one| one.strip_prefix("PATH=")).unwrap_or(PATH);
    path.split(':')
        .map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name))
        .find(|path| executable(path))
        .ok_or_else(|| Error::Stage(format!("can't find the program {name} in $PATH ({path})")))
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::ProcessBuilder;

    use super::*;

    fn process(args: &[&str], env: &[&str]) -> Process {
        let own = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        ProcessBuilder::default().args(own(args)).env(own(env)).build().expect("it is whole")
    }

    #[test]
    fn the_last_value_counts_and_a_home_is_added() {
        let env = environment(&process(&["x"], &["A=1", "B=2", "A=3"]), "/root");
        assert_eq!(env, ["B=2", "A=3", "HOME=/root"]);
        assert_eq!(environment(&process(&["x"], &["HOME=/h"]), "/root"), ["HOME=/h"]);
    }

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        let found = find(&process(&["sh"], &[]), &[]).expect("there is a shell");
        assert!(found.is_file());
        let missing = find(&process(&["sh"], &[]), &["PATH=/nowhere".to_owned()]);
        let text = missing.expect_err("it is not there").to_string();
        assert_eq!(text, "can't find the program sh in $PATH (/nowhere)");
        let text = find(&process(&["/etc/passwd"], &[]), &[]).expect_err("no program").to_string();
        assert_eq!(text, "can't execute /etc/passwd: permission denied");
        assert!(find(&process(&["/nowhere/x"], &[]), &[]).is_err());
    }
}
