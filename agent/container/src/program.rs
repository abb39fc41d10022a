//! The container's program: where it is, and its environment.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};
use oci_spec::runtime::Process;

use crate::error::Error;

/// The environment of a spec; the last value of a name counts, at the place of the
/// first. The home folder is added if there is none.
pub(crate) fn environment(process: &Process, home: &str) -> Vec<String> {
    fn name(one: &str) -> &str {
        one.split_once('=').map_or(one, |(name, _)| name)
    }
    let home = format!("HOME={home}");
    let mut all: Vec<String> = Vec::new();
    let mut set = |one: &String| match all.iter_mut().find(|other| name(other) == name(one)) {
        Some(there) => there.clone_from(one),
        None => all.push(one.clone()),
    };
    let mut homeless = true;
    for one in process.env().iter().flatten() {
        if name(one) == "HOME" {
            homeless = one == "HOME=";
        }
        set(one);
    }
    if homeless {
        set(&home);
    }
    all
}

/// Looks the program up, as this process now is: in its root, as its user, in its
/// folder. Without a path in the environment it is found nowhere, and one in a relative
/// folder of the path is not taken, as runc has it.
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
    let path = environment.iter().find_map(|one| one.strip_prefix("PATH=")).unwrap_or_default();
    let folders = path.split(':').filter(|_| !path.is_empty());
    let found = folders
        .map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name))
        .find(|path| executable(path));
    match found {
        Some(found) if found.is_absolute() => Ok(found),
        Some(found) => Err(Error::Stage(format!(
            "the program {name} was found as {}, by a relative folder in $PATH",
            found.display()
        ))),
        None => Err(Error::Stage(format!("can't find the program {name} in $PATH ({path})"))),
    }
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
        assert_eq!(env, ["A=3", "B=2", "HOME=/root"]);
        assert_eq!(environment(&process(&["x"], &["HOME=/h"]), "/root"), ["HOME=/h"]);
    }

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        let path = "PATH=/usr/bin:/bin".to_owned();
        let found = find(&process(&["sh"], &[]), &[path]).expect("there is a shell");
        assert!(found.is_file());
        assert!(find(&process(&["sh"], &[]), &[]).is_err(), "there is no path");
        let missing = find(&process(&["sh"], &[]), &["PATH=/nowhere".to_owned()]);
        let text = missing.expect_err("it is not there").to_string();
        assert_eq!(text, "can't find the program sh in $PATH (/nowhere)");
        let text = find(&process(&["/etc/passwd"], &[]), &[]).expect_err("no program").to_string();
        assert_eq!(text, "can't execute /etc/passwd: permission denied");
        assert!(find(&process(&["/nowhere/x"], &[]), &[]).is_err());
    }
}
