//! The folder of a container: its spec, as it was made, and its root filesystem.

use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::prepare;
use crate::os::{Mount, Os};
use crate::sandbox::Paths;

/// Names below the agent's folder that are no container's.
pub const RESERVED: [&str; 3] = ["sandbox", "sandbox-ns", "shared"];

/// A bundle that was made.
#[derive(Debug)]
pub struct Bundle {
    /// The folder.
    pub folder: PathBuf,
    /// Whether the root filesystem was bound into it.
    pub root_is_bound: bool,
}

/// What could not be done, and why.
pub type Failure = (String, io::Error);

/// Makes the folder and puts the root filesystem there, unless a storage has done so;
/// makes the spec say it. All of it or nothing.
///
/// # Errors
///
/// What the operating system refused.
pub fn make(
    os: &dyn Os,
    paths: &Paths,
    id: &str,
    spec: &mut Spec,
    storages: &[PathBuf],
) -> Result<Bundle, Failure> {
    let folder = paths.container(id);
    let root = folder.join("rootfs");
    let there = storages.contains(&root);
    let failed = |what: String| move |error: io::Error| (what, error);
    os.make_dir(&root, 0o755).map_err(failed(format!("can't make {}", root.display())))?;
    let mut bundle = Bundle { folder, root_is_bound: false };
    let old = prepare::root(spec, &root);
    if let Some(old) = old.filter(|old| *old != root && !there) {
        let source = old.display().to_string();
        let bind = Mount { source: &source, target: &root, fstype: "", options: "bind" };
        if let Err(error) = os.mount(&bind) {
            remove(os, &bundle.folder);
            return Err((format!("can't bind {source} to {}", root.display()), error));
        }
        bundle.root_is_bound = true;
    }
    let text = serde_json::to_string(spec).map_err(io::Error::from);
    let file = bundle.folder.join("config.json");
    let written = text.and_then(|text| os.write(&file, text.as_bytes()));
    if let Err(error) = written {
        unbind(os, &bundle);
        remove(os, &bundle.folder);
        return Err((format!("can't write {}", file.display()), error));
    }
    Ok(bundle)
}

/// Takes the root filesystem away that was bound into a bundle. A failure is logged: there
/// is nothing else to do about it.
pub fn unbind(os: &dyn Os, bundle: &Bundle) {
    let folder = &bundle.folder;
    if bundle.root_is_bound
        && let Err(error) = os.unmount(&folder.join("rootfs"), true)
    {
        log::warn!("can't unmount the root filesystem of {}: {error}", folder.display());
    }
}

/// Takes a bundle's folder away, once nothing of a storage is mounted there any more. A
/// failure is logged.
pub fn remove(os: &dyn Os, folder: &Path) {
    // What is mounted there all the same is another's, and stays.
    if let Err(error) = os.remove_tree(folder) {
        log::warn!("can't remove {}: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Recorder;

    fn spec() -> Spec {
        let text = r#"{"ociVersion":"1.0.2","root":{"path":"/shared/c/rootfs"}}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_root_is_bound_and_the_spec_says_so() {
        let os = Recorder::new();
        let paths = Paths { run: "/r".into(), ..Paths::default() };
        let mut spec = spec();
        let bundle = make(&os, &paths, "c", &mut spec, &[]).unwrap();
        assert!(bundle.root_is_bound);
        assert_eq!(spec.root().clone().unwrap().path(), Path::new("/r/c/rootfs"));
        let log = os.log();
        assert!(log.contains("mount /shared/c/rootfs /r/c/rootfs - bind"), "{log}");
        let storages = ["/r/c/rootfs".into()];
        let bundle = make(&os, &paths, "c", &mut self::spec(), &storages).unwrap();
        assert!(!bundle.root_is_bound, "it is a storage's");
    }
}
