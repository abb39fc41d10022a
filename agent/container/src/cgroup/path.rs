//! Where in the hierarchy a container's cgroup is.

use std::path::{Component, Path, PathBuf};

use crate::spec::Invalid;

/// The path below the hierarchy's root that `cgroupsPath` means: a path, absolute or
/// not; systemd's `slice:prefix:name`; or nothing, for the container's id alone.
pub(crate) fn path_of(wanted: Option<&Path>, id: &str) -> Result<PathBuf, Invalid> {
    let at = "linux.cgroupsPath";
    let Some(wanted) = wanted.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(PathBuf::from(id));
    };
    let text = wanted.to_str().ok_or_else(|| Invalid::new(at, "is no UTF-8"))?;
    crate::spec::text(text, at)?;
    let path = match text.split(':').collect::<Vec<_>>().as_slice() {
        [slice, prefix, name] if !text.contains('/') => of_systemd(slice, prefix, name, id)?,
        _ => wanted.to_owned(),
    };
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(Invalid::new(at, format!("{text:?} leaves the hierarchy"))),
        }
    }
    if found.as_os_str().is_empty() || text.len() > 1024 {
        return Err(Invalid::new(at, "is not a container's cgroup"));
    }
    Ok(found)
}

/// A slice `a-b.slice` is within `a.slice`; a unit in it is `prefix-name.scope`.
fn of_systemd(slice: &str, prefix: &str, name: &str, id: &str) -> Result<PathBuf, Invalid> {
    let at = "linux.cgroupsPath";
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let parts = slice
        .strip_suffix(".slice")
        .ok_or_else(|| Invalid::new(at, format!("{slice:?} is no slice")))?;
    let mut path = PathBuf::new();
    let mut so_far = String::new();
    if parts != "-" {
        for part in parts.split('-') {
            if part.is_empty() {
                return Err(Invalid::new(at, format!("{slice:?} is no slice")));
            }
            if !so_far.is_empty() {
                so_far.push('-');
            }
            so_far.push_str(part);
            path.push(format!("{so_far}.slice"));
        }
    }
    let name = if name.is_empty() { id } else { name };
    path.push(match prefix {
        _ if name.ends_with(".slice") => name.to_owned(),
        "" => format!("{name}.scope"),
        prefix => format!("{prefix}-{name}.scope"),
    });
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_hierarchy() {
        let path = |text: &str| path_of(Some(Path::new(text)), "id").map_err(|error| error.why);
        assert_eq!(path("/kubepods/pod1/c"), Ok("kubepods/pod1/c".into()));
        assert_eq!(path("a/./b"), Ok("a/b".into()));
        assert_eq!(path(""), Ok("id".into()));
        assert_eq!(path_of(None, "id").expect("it is there"), PathBuf::from("id"));
        for bad in ["/", "..", "/a/../b", "a\0b", "."] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn units_of_systemd_are_folders_too() {
        let path = |text: &str| path_of(Some(Path::new(text)), "id").map_err(|error| error.why);
        let expected = "kubepods.slice/kubepods-burstable.slice/cri-containerd-x.scope";
        assert_eq!(path("kubepods-burstable.slice:cri-containerd:x"), Ok(expected.into()));
        assert_eq!(path("::"), Ok("system.slice/id.scope".into()));
        assert_eq!(path("-.slice:a:b"), Ok("a-b.scope".into()));
        for bad in ["a:b:c", "a--b.slice:x:y", "-a.slice:x:y", ".slice:x:y"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
