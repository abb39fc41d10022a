//! Hooks that the guest image brings: programs in folders named after the moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use oci_spec::runtime::Hook;

use crate::container::GuestHooks;

/// More programs than this are a mistake.
const MOST: usize = 64;

/// The programs below `folder`, by kind and in order of their names. A folder that is
/// not there has none.
#[must_use]
pub fn scan(folder: &Path) -> GuestHooks {
    if folder.components().any(|step| matches!(step, Component::ParentDir)) {
        log::warn!("{} is no folder of hooks", folder.display());
        return GuestHooks::default();
    }
    if !folder.is_dir() {
        log::warn!("there is no folder of guest hooks at {}", folder.display());
    }
    let of = |kind: &str| programs(&folder.join(kind));
    GuestHooks { prestart: of("prestart"), poststart: of("poststart"), poststop: of("poststop") }
}

fn programs(folder: &Path) -> Vec<Hook> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let runs = |path: &std::path::PathBuf| {
        fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    paths
        .into_iter()
        .filter(runs)
        .map(|path| {
            let mut hook = Hook::default();
            hook.set_args(Some(vec![path.display().to_string()]));
            hook.set_path(path);
            hook.set_env(None);
            hook.set_timeout(None);
            hook
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, mode: u32| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        put("prestart/b", 0o755);
        put("prestart/a", 0o700);
        put("prestart/note", 0o644);
        put("poststop/c", 0o755);
        fs::create_dir(folder.path().join("prestart/folder")).unwrap();
        let hooks = scan(folder.path());
        let names = |hooks: &[Hook]| -> Vec<String> {
            let name =
                |hook: &Hook| hook.path().file_name().unwrap().to_string_lossy().into_owned();
            hooks.iter().map(name).collect()
        };
        assert_eq!(names(&hooks.prestart), ["a", "b"]);
        assert_eq!(names(&hooks.poststop), ["c"]);
        assert!(hooks.poststart.is_empty());
        assert_eq!(scan(&folder.path().join("x")), GuestHooks::default());
    }
}
