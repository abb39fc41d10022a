//! A bundle of the host: its spec, and its files on their way into a guest without
//! any shared folder. Sends what it is told to send and knows no order of RPCs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kata_agent_api::agent::CopyFileRequest;
use oci_spec::runtime::Spec;

/// Bytes of a file in one request.
const CHUNK: usize = 1 << 20;
/// Longer specs are mistakes.
const LARGEST_SPEC: u64 = 8 << 20;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Why a bundle can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file of it can't be read.
    #[error("can't read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `config.json` is no spec.
    #[error("{path} is no OCI spec: {reason}")]
    Spec {
        /// Where.
        path: PathBuf,
        /// Line, column and what is wrong.
        reason: String,
    },
    /// It has no root filesystem or no process.
    #[error("{path} has no {what}")]
    Missing {
        /// Where.
        path: PathBuf,
        /// What there should be.
        what: &'static str,
    },
}

/// A bundle.
pub struct Bundle {
    /// Its spec.
    pub spec: Spec,
    /// Its root filesystem on the host.
    pub rootfs: PathBuf,
}

impl Bundle {
    /// Reads the bundle in a folder.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let path = folder.join("config.json");
        let failed = |source| BundleError::Read { path: path.clone(), source };
        let mut text = String::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(LARGEST_SPEC).read_to_string(&mut text).map_err(failed)?;
        let spec: Spec = serde_json::from_str(&text)
            .map_err(|error| BundleError::Spec { path: path.clone(), reason: error.to_string() })?;
        if spec.process().is_none() {
            return Err(BundleError::Missing { path, what: "process" });
        }
        let root = spec.root().as_ref().map(|root| root.path().clone());
        let Some(root) = root else { return Err(BundleError::Missing { path, what: "root" }) };
        let rootfs = folder.join(root);
        if !rootfs.is_dir() {
            return Err(BundleError::Missing { path: rootfs, what: "files" });
        }
        Ok(Self { spec, rootfs })
    }

    /// All files of the root filesystem, folders before what is in them. Devices and
    /// sockets are left out, with a warning: the protocol carries none.
    pub fn files(&self) -> Result<Vec<PathBuf>, BundleError> {
        let mut files = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(path) = open.pop() {
            let full = self.rootfs.join(&path);
            let failed = |source| BundleError::Read { path: full.clone(), source };
            let meta = fs::symlink_metadata(&full).map_err(failed)?;
            let kind = meta.file_type();
            if kind.is_dir() {
                for entry in fs::read_dir(&full).map_err(failed)? {
                    open.push(path.join(entry.map_err(failed)?.file_name()));
                }
            } else if !kind.is_file() && !kind.is_symlink() {
                tracing::warn!("{} is neither file nor folder nor link; left out", full.display());
                continue;
            }
            files.push(path);
        }
        files.sort();
        Ok(files)
    }

    /// The requests that make one of the files below `target` in the guest, each made
    /// when it is due: no file is in memory as a whole.
    pub fn requests(
        &self,
        path: &Path,
        target: &Path,
    ) -> Result<impl Iterator<Item = Result<CopyFileRequest, BundleError>>, BundleError> {
        let full = self.rootfs.join(path);
        let shown = full.clone();
        let failed = move |source| BundleError::Read { path: shown.clone(), source };
        let meta = fs::symlink_metadata(&full).map_err(&failed)?;
        let place = if path.as_os_str().is_empty() { target.to_owned() } else { target.join(path) };
        let kind = if meta.is_dir() {
            FOLDER
        } else if meta.is_symlink() {
            LINK
        } else {
            FILE
        };
        let mut frame = CopyFileRequest {
            path: place.display().to_string(),
            file_mode: kind | meta.mode() & 0o7777,
            dir_mode: 0o755,
            uid: i32::try_from(meta.uid()).unwrap_or_default(),
            gid: i32::try_from(meta.gid()).unwrap_or_default(),
            ..Default::default()
        };
        let mut file = None;
        if kind == LINK {
            frame.data = fs::read_link(&full).map_err(&failed)?.as_os_str().as_bytes().to_vec();
            frame.file_size = i64::try_from(frame.data.len()).unwrap_or_default();
        } else if kind == FILE {
            frame.file_size = i64::try_from(meta.len()).unwrap_or(i64::MAX);
            file = Some(File::open(&full).map_err(&failed)?);
        }
        let mut next = Some(frame);
        Ok(std::iter::from_fn(move || {
            let mut request = next.take()?;
            let Some(file) = &mut file else { return Some(Ok(request)) };
            let mut data = Vec::new();
            if let Err(error) = file.take(CHUNK as u64).read_to_end(&mut data) {
                return Some(Err(failed(error)));
            }
            let end = request.offset.saturating_add(i64::try_from(data.len()).unwrap_or_default());
            if data.len() == CHUNK && end < request.file_size {
                next = Some(CopyFileRequest { offset: end, ..request.clone() });
            }
            request.data = data;
            Some(Ok(request))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn bundle(config: &str) -> (tempfile::TempDir, Result<Bundle, BundleError>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        let bundle = Bundle::open(folder.path());
        (folder, bundle)
    }

    const GOOD: &str = r#"{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"}}"#;

    #[test]
    fn files_in_order_and_in_chunks() {
        let (folder, bundle) = bundle(GOOD);
        let (bundle, root) = (bundle.unwrap(), folder.path().join("rootfs"));
        fs::create_dir(root.join("bin")).unwrap();
        fs::write(root.join("bin/big"), vec![7; CHUNK + 5]).unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("exact"), vec![1; CHUNK]).unwrap();
        symlink("big", root.join("bin/link")).unwrap();
        let mut shown = Vec::new();
        for path in bundle.files().unwrap() {
            for request in bundle.requests(&path, Path::new("/t")).unwrap() {
                let request = request.unwrap();
                let kind = request.file_mode & 0o170_000;
                let (at, length) = (request.offset, request.data.len());
                shown
                    .push(format!("{} {kind:o} {at}+{length}/{}", request.path, request.file_size));
            }
        }
        assert_eq!(
            shown,
            [
                "/t 40000 0+0/0",
                "/t/bin 40000 0+0/0",
                "/t/bin/big 100000 0+1048576/1048581",
                "/t/bin/big 100000 1048576+5/1048581",
                "/t/bin/link 120000 0+3/3",
                "/t/empty 100000 0+0/0",
                "/t/exact 100000 0+1048576/1048576",
            ]
        );
    }

    #[test]
    fn what_is_no_bundle_is_explained() {
        let said = |config: &str| bundle(config).1.map(drop).unwrap_err().to_string();
        assert!(said("{").contains("config.json is no OCI spec: EOF"));
        assert!(said(r#"{"ociVersion": "1"}"#).contains("has no process"));
        let without_root = GOOD.replace(r#""root": {"path": "rootfs"},"#, "");
        assert!(said(&without_root).contains("has no root"));
        assert!(said(&GOOD.replace("rootfs", "elsewhere")).contains("elsewhere has no files"));
        assert!(Bundle::open(Path::new("/nonexistent")).is_err());
    }
}
