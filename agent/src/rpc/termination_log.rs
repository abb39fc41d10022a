//! The message that a container leaves when it ends, as Kubernetes wants it: the end
//! of a file that its annotations name. The container has written that file, so
//! neither its name nor its content is trusted: it is opened below one folder and
//! nowhere else, and only when it is a file.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use serde_json::Value;

use super::Fault;
use crate::plain_path::is_plain_name;
use crate::report::read;
use crate::sandbox::Paths;

/// Where Kubernetes says which file it is.
const ANNOTATION: &str = "io.kubernetes.container.terminationMessagePath";

/// Bytes that Kubernetes takes.
const LONGEST: u64 = 4096;

/// The message of a container.
pub(super) fn of_container(paths: &Paths, id: &str) -> Result<String, Fault> {
    if !is_plain_name(id) {
        return Err(Fault::InvalidArgument(format!("{id:?} can't be the name of a container")));
    }
    let bundle = paths.run.join(id);
    let Ok(spec) = serde_json::from_str::<Value>(&read(bundle.join("config.json"))) else {
        return Err(Fault::NotFound(format!("there is no container {id:?}")));
    };
    let Some(inside) = spec["annotations"][ANNOTATION].as_str() else {
        return Err(Fault::NotFound(format!("the container {id:?} has no {ANNOTATION}")));
    };
    let (root, file) = place(&spec, inside, &bundle, &paths.shared_containers());
    below(&root, &file).map_err(|error| match error {
        Errno::ENOENT => Fault::NotFound(format!("the container {id:?} has left no message")),
        Errno::EINVAL => {
            Fault::FailedPrecondition(format!("the message of the container {id:?} is no file"))
        }
        error => Fault::internal(format!("can't read the message of the container {id:?}"))(
            io::Error::from(error),
        ),
    })
}

/// The folder to stay in, and the file below it: what is mounted there in the
/// container, if it comes from the shared folder, or else a file of its root.
fn place(spec: &Value, inside: &str, bundle: &Path, shared: &Path) -> (PathBuf, PathBuf) {
    let mounts = spec["mounts"].as_array().into_iter().flatten();
    let source = mounts
        .filter(|mount| mount["destination"].as_str() == Some(inside))
        .filter_map(|mount| Path::new(mount["source"].as_str()?).strip_prefix(shared).ok())
        .next_back();
    match source {
        Some(file) => (shared.to_owned(), file.to_owned()),
        None => (bundle.join("rootfs"), PathBuf::from(inside.trim_start_matches('/'))),
    }
}

/// The last bytes of a file. Symbolic links lead to where they lead in a container
/// whose root is `root`.
fn below(root: &Path, file: &Path) -> Result<String, Errno> {
    let folder = File::open(root).map_err(errno)?;
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    // A pipe is neither waited for nor read.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    let file = File::from(openat2(folder.as_fd(), file, how)?);
    let there = file.metadata().map_err(errno)?;
    if !there.is_file() {
        return Err(Errno::EINVAL);
    }
    let start = there.size().saturating_sub(LONGEST);
    let mut bytes = vec![0; usize::try_from(LONGEST).unwrap_or(0)];
    let mut length = 0;
    loop {
        let room = bytes.get_mut(length..).unwrap_or_default();
        match file.read_at(room, start + u64::try_from(length).unwrap_or(0)) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(errno(error)),
        }
    }
    Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "it is a function for map_err")]
fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn guest(spec: &str) -> (TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir_all(run.join("c1/rootfs/dev")).unwrap();
        fs::create_dir_all(run.join("shared/containers")).unwrap();
        fs::write(run.join("c1/config.json"), spec).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        (folder, Paths { run, resolv_conf: PathBuf::new() })
    }

    fn named(file: &str) -> String {
        format!("{{\"annotations\":{{\"{ANNOTATION}\":\"{file}\"}}}}")
    }

    #[test]
    fn the_end_of_the_file_is_the_message() {
        let (_folder, paths) = guest(&named("/dev/termination-log"));
        let fault = of_container(&paths, "c1").unwrap_err();
        assert!(fault.to_string().contains("has left no message"), "{fault}");
        let file = paths.run.join("c1/rootfs/dev/termination-log");
        fs::write(&file, "short").unwrap();
        assert_eq!(of_container(&paths, "c1").unwrap(), "short");
        fs::write(&file, "x".repeat(5000) + "end").unwrap();
        let message = of_container(&paths, "c1").unwrap();
        assert!(message.len() == 4096 && message.ends_with("xend"));
        fs::write(&file, [0xff, b'a']).unwrap();
        assert_eq!(of_container(&paths, "c1").unwrap(), "\u{fffd}a");
    }

    #[test]
    fn a_file_that_the_host_has_sent() {
        let (_folder, paths) = guest("");
        let source = paths.shared_containers().join("c1-1234-termination-log");
        fs::write(&source, "from outside").unwrap();
        let spec = serde_json::json!({
            "annotations": { ANNOTATION: "/dev/termination-log" },
            "mounts": [{ "destination": "/dev/termination-log", "source": source }],
        });
        fs::write(paths.run.join("c1/config.json"), spec.to_string()).unwrap();
        assert_eq!(of_container(&paths, "c1").unwrap(), "from outside");
    }

    #[test]
    fn nothing_outside_is_read() {
        for (target, name) in [
            ("../../../../secret", "link"),
            ("/secret", "link"),
            ("x", "../../../secret"),
            ("x", "link/../../../../secret"),
        ] {
            let (folder, paths) = guest(&named(&format!("/{name}")));
            symlink(target, paths.run.join("c1/rootfs/link")).unwrap();
            let absolute = format!("{}/secret", folder.path().display());
            symlink(absolute, paths.run.join("c1/rootfs/other")).unwrap();
            let fault = of_container(&paths, "c1").unwrap_err();
            assert!(matches!(fault, Fault::NotFound(_)), "{target} {name}: {fault}");
        }
        let (_folder, paths) = guest(&named("/pipe"));
        nix::unistd::mkfifo(&paths.run.join("c1/rootfs/pipe"), nix::sys::stat::Mode::S_IRWXU)
            .unwrap();
        let fault = of_container(&paths, "c1").unwrap_err();
        assert!(matches!(fault, Fault::FailedPrecondition(_)), "{fault}");
        for id in ["", "..", "a/b", ".", "c1/../c1", &"i".repeat(257)] {
            let fault = of_container(&paths, id).unwrap_err();
            assert!(matches!(fault, Fault::InvalidArgument(_)), "{id}: {fault}");
        }
        for (spec, id) in [("", "c1"), ("{}", "c1"), ("[]", "c1"), ("{}", "c2")] {
            let (_folder, paths) = guest(spec);
            assert!(matches!(of_container(&paths, id), Err(Fault::NotFound(_))), "{spec} {id}");
        }
    }
}
