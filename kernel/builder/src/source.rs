//! From a [`Source`] to an unpacked, patched tree: what identifies the source,
//! where its bytes come from, and which version it is. It does not know what
//! the tree is used for.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use artifact_store::{Event, Expect, Progress, Request, Store};
use duct::cmd;
use repository::{Identity, Index, Package};
use sha2::{Digest as _, Sha256};

use crate::edit::nearest;
use crate::error::KernelError;
use crate::extract::{RULES, extract};
use crate::key::Plan;
use crate::spec::Source;
use crate::tools::environment;

/// Largest archive that is fetched. Linux 6.12 has 150 MB in xz.
const ARCHIVE_LIMIT: u64 = 2 << 30;

/// A source whose digest is known.
pub(crate) struct Resolved {
    /// SHA-256 of the file that holds it, in hexadecimal.
    pub(crate) sha256: String,
    request: Request,
    /// The package of the index, for a Debian source.
    package: Option<Package>,
}

/// Finds out which bytes the source is; asks a Debian archive's signed index.
pub(crate) fn resolve(
    source: &Source,
    store: &Store,
    progress: &dyn Progress,
) -> Result<Resolved, KernelError> {
    match source {
        Source::Tarball { urls, sha256 } => {
            let name = urls.first().and_then(|url| url.path_segments()?.next_back());
            let request = Request {
                label: name.unwrap_or("the kernel source").to_owned(),
                urls: urls.clone(),
                max_size: ARCHIVE_LIMIT,
                size: None,
                expect: Expect::Sha256(*sha256),
            };
            Ok(Resolved { sha256: hex::encode(sha256), request, package: None })
        }
        Source::DebSource { deb, package } => {
            let index = repository::deb::open(store, deb, progress)
                .map_err(|error| KernelError::Repository(Box::new(error)))?;
            let package = newest(&index, package)?;
            let Identity::Sha256(sha256) = package.identity else {
                return Err(KernelError::NoTarball { package: package.name });
            };
            let mut requests = repository::deb::requests(&index, &[&package]);
            let Some(mut request) = requests.pop() else {
                return Err(KernelError::NoTarball { package: package.name });
            };
            request.max_size = request.max_size.min(ARCHIVE_LIMIT);
            Ok(Resolved { sha256: hex::encode(sha256), request, package: Some(package) })
        }
    }
}

fn newest(index: &Index, name: &str) -> Result<Package, KernelError> {
    let order =
        |a: &&Package, b: &&Package| repository::version::compare(a.family, &a.version, &b.version);
    let found = index.packages.iter().filter(|package| package.name == name).max_by(order);
    found.cloned().ok_or_else(|| KernelError::NoPackage {
        archive: index.description.clone(),
        package: name.to_owned(),
        nearest: nearest(name, index.packages.iter().map(|package| package.name.as_str()))
            .map(str::to_owned),
    })
}

/// The unpacked and patched tree; made, if it is not there from before.
pub(crate) fn tree(
    plan: &Plan,
    resolved: &Resolved,
    store: &Store,
    work_dir: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, KernelError> {
    let mut digest = Sha256::new();
    digest.update(format!("{RULES} {} {}", plan.srcarch(), resolved.sha256));
    for (_, bytes) in &plan.patches {
        digest.update(Sha256::digest(bytes));
    }
    let name = hex::encode(&digest.finalize()[..12]);
    let tree = work_dir.join("source").join(&name);
    // The name is given last, so a tree that has it is whole.
    if tree.is_dir() {
        return Ok(tree);
    }
    let partial = work_dir.join("source").join(format!("{name}.partial"));
    remove(&partial)?;
    let parent = work_dir.join("source");
    fs::create_dir_all(&parent).map_err(|e| KernelError::io(&parent, e))?;
    unpack(plan, resolved, store, &partial, progress)?;
    patch(plan, &partial, work_dir)?;
    fs::rename(&partial, &tree).map_err(|e| KernelError::io(&tree, e))?;
    Ok(tree)
}

fn unpack(
    plan: &Plan,
    resolved: &Resolved,
    store: &Store,
    dest: &Path,
    progress: &dyn Progress,
) -> Result<(), KernelError> {
    let blob = store.fetch(&resolved.request, progress)?;
    let label = format!("unpack {}", resolved.request.label);
    let label = label.as_str();
    progress.event(Event::Started { label, total: Some(blob.size) });
    if let Some(package) = &resolved.package {
        let bytes = blob.read()?;
        let file = repository::deb::payload(package, &bytes)
            .map_err(|error| KernelError::Repository(Box::new(error)))?;
        drop(bytes);
        let archive = member(&file.data_tar, &package.name)?;
        extract(Counted { inner: archive, label, progress }, dest, plan.srcarch())?;
    } else {
        let file = File::open(blob.path()).map_err(|e| KernelError::io(blob.path(), e))?;
        extract(Counted { inner: file, label, progress }, dest, plan.srcarch())?;
    }
    progress.event(Event::Finished { label, cached: false });
    Ok(())
}

/// The source archive inside a package's files.
fn member<'a>(data_tar: &'a [u8], package: &str) -> Result<&'a [u8], KernelError> {
    let wanted = format!("usr/src/{package}.tar.xz");
    let refuse = |error: std::io::Error| KernelError::Archive {
        entry: package.to_owned(),
        problem: error.to_string(),
    };
    let mut archive = tar::Archive::new(data_tar);
    for entry in archive.entries().map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let path = entry.path_bytes();
        if path.strip_prefix(b"./").unwrap_or(&path) == wanted.as_bytes() {
            let start = usize::try_from(entry.raw_file_position()).ok();
            let size = usize::try_from(entry.size()).ok();
            let bytes =
                start.zip(size).and_then(|(start, size)| data_tar.get(start..)?.get(..size));
            return bytes.ok_or_else(|| KernelError::NoTarball { package: package.to_owned() });
        }
    }
    Err(KernelError::NoTarball { package: package.to_owned() })
}

fn patch(plan: &Plan, tree: &Path, work_dir: &Path) -> Result<(), KernelError> {
    for (name, bytes) in &plan.patches {
        let log = work_dir.join("patch.log");
        let output = cmd!("patch", "-p1", "--batch", "--forward", "--fuzz=0")
            .dir(tree)
            .stdin_bytes(bytes.clone())
            .full_env(environment(&plan.path))
            .stderr_to_stdout()
            .stdout_path(&log)
            .unchecked()
            .run()
            .map_err(|e| KernelError::io(Path::new("patch"), e))?;
        if !output.status.success() {
            return Err(crate::make::failed(&format!("applying {name}"), &log));
        }
    }
    Ok(())
}

/// Linux's version, as the tree's Makefile says it.
pub(crate) fn version(tree: &Path) -> Result<String, KernelError> {
    let path = tree.join("Makefile");
    let text = fs::read_to_string(&path).map_err(|e| KernelError::io(&path, e))?;
    let value = |wanted: &str| {
        text.lines().take(20).find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == wanted).then(|| value.trim().to_owned())
        })
    };
    let parts = [value("VERSION"), value("PATCHLEVEL"), value("SUBLEVEL")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let is_version = parts.len() == 3
        && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if !is_version {
        let problem = "it does not begin with a kernel's version".to_owned();
        return Err(KernelError::Archive { entry: "Makefile".to_owned(), problem });
    }
    let extra =
        value("EXTRAVERSION").filter(|extra| crate::spec::is_plain_word(&format!("x{extra}")));
    Ok(parts.join(".") + &extra.unwrap_or_default())
}

/// Removes a folder with all in it; none is fine.
pub(crate) fn remove(dir: &Path) -> Result<(), KernelError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(KernelError::io(dir, e)),
        _ => Ok(()),
    }
}

/// Tells how far a reader has come.
struct Counted<'a, R> {
    inner: R,
    label: &'a str,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buf)?;
        let bytes = u64::try_from(n).unwrap_or(u64::MAX);
        self.progress.event(Event::Advanced { label: self.label, bytes });
        Ok(n)
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
