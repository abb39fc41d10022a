//! Unpacks a kernel source archive into a new folder. The bytes are proven, but
//! are still confined: nothing is written outside the folder or through a link.
//!
//! It knows tar, xz and which parts of a kernel source a guest never compiles;
//! it does not know where the archive came from.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::thread;

use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use crate::error::KernelError;

/// Bumped when the choice of files changes, so that old trees are not used.
pub(crate) const RULES: u32 = 1;

/// Most entries, largest file and largest sum. Linux 6.12 has 92,000 entries
/// and 1.4 GB, its largest file is 24 MB.
const ENTRIES: usize = 300_000;
const FILE_BYTES: u64 = 256 << 20;
const ALL_BYTES: u64 = 8 << 30;
/// What the xz decoder may take; `xz -9` needs 65 MiB.
const DECODER_MEMORY: u64 = 512 << 20;

/// Folders of which only the Kconfig files are written: no guest compiles
/// anything in them, and they are half of the archive.
const UNUSED: [&str; 4] = ["Documentation", "drivers/gpu/drm/amd", "samples", "tools/testing"];

const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";

/// Unpacks `archive` (tar, plain or in xz) into `dest`, which must not exist.
/// The one folder that the archive holds is left off all paths.
pub(crate) fn extract(
    mut archive: impl Read + Send,
    dest: &Path,
    srcarch: &str,
) -> Result<(), KernelError> {
    let refused = |error: io::Error| refuse("its beginning", error);
    let mut magic = Vec::new();
    archive.by_ref().take(XZ_MAGIC.len() as u64).read_to_end(&mut magic).map_err(refused)?;
    let is_xz = magic == XZ_MAGIC;
    let archive = io::Cursor::new(magic).chain(archive);
    if !is_xz {
        return Writer::new(dest, srcarch)?.all(archive);
    }
    let stream = Stream::new_stream_decoder(DECODER_MEMORY, CONCATENATED)
        .map_err(|error| refuse("its beginning", error))?;
    let mut decoder = XzDecoder::new_stream(archive, stream);
    // One core decodes while another writes files.
    let (from, mut to) = io::pipe().map_err(refused)?;
    thread::scope(|scope| {
        let decoding = scope.spawn(move || io::copy(&mut decoder, &mut to).map(|_| ()));
        let from = io::BufReader::with_capacity(1 << 20, from);
        let written = Writer::new(dest, srcarch).and_then(|mut writer| writer.all(from));
        let decoded = decoding.join().unwrap_or_else(|_| Err(io::Error::other("xz decoder died")));
        match (written, decoded) {
            // The writer stopped first, so the decoder had nobody to talk to.
            (written, Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => written,
            (_, Err(error)) => Err(refuse("its compressed data", error)),
            (written, Ok(())) => written,
        }
    })
}

fn refuse(entry: &str, problem: impl std::fmt::Display) -> KernelError {
    KernelError::Archive { entry: entry.to_owned(), problem: problem.to_string() }
}

struct Writer<'a> {
    dest: &'a Path,
    srcarch: &'a str,
    /// The archive's one folder.
    top: Option<PathBuf>,
    folders: HashSet<PathBuf>,
    links: BTreeSet<PathBuf>,
    bytes: u64,
}

impl<'a> Writer<'a> {
    fn new(dest: &'a Path, srcarch: &'a str) -> Result<Self, KernelError> {
        fs::create_dir(dest).map_err(|e| KernelError::io(dest, e))?;
        let (folders, links) = (HashSet::new(), BTreeSet::new());
        Ok(Self { dest, srcarch, top: None, folders, links, bytes: 0 })
    }

    fn all(&mut self, reader: impl Read) -> Result<(), KernelError> {
        let mut archive = tar::Archive::new(reader);
        let entries = archive.entries().map_err(|e| refuse("its beginning", e))?;
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.map_err(|e| refuse("a header", e))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if count == ENTRIES {
                return Err(refuse(&name, format!("more than {ENTRIES} entries")));
            }
            let kind = entry.header().entry_type();
            if kind == tar::EntryType::XGlobalHeader {
                continue;
            }
            let Some(path) = self.inside(&name)? else { continue };
            if !wanted(&path, self.srcarch) {
                continue;
            }
            if kind.is_dir() {
                self.folder(&path)?;
            } else if kind.is_file() {
                self.file(&name, &path, &mut entry)?;
            } else if kind.is_symlink() {
                let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
                self.link(&name, &path, &target.unwrap_or_default())?;
            } else {
                return Err(refuse(&name, "a source holds only files, folders and symbolic links"));
            }
        }
        if self.folders.is_empty() && self.bytes == 0 {
            return Err(refuse("its end", "it holds no files"));
        }
        Ok(())
    }

    /// The path below the archive's one folder, if it is a plain one.
    fn inside(&mut self, name: &str) -> Result<Option<PathBuf>, KernelError> {
        let mut parts = Vec::new();
        for part in Path::new(name).components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                _ => return Err(refuse(name, "the path leaves the source")),
            }
        }
        let Some((first, rest)) = parts.split_first() else { return Ok(None) };
        match &self.top {
            None => self.top = Some(first.into()),
            Some(top) if top.as_os_str() == *first => {}
            Some(_) => return Err(refuse(name, "a second top folder")),
        }
        let path: PathBuf = rest.iter().collect();
        if path.ancestors().any(|ancestor| self.links.contains(ancestor)) {
            return Err(refuse(name, "the path goes through a symbolic link"));
        }
        Ok((!rest.is_empty()).then_some(path))
    }

    fn folder(&mut self, path: &Path) -> Result<(), KernelError> {
        if !self.folders.contains(path) {
            let full = self.dest.join(path);
            fs::create_dir_all(&full).map_err(|e| KernelError::io(&full, e))?;
            self.folders.insert(path.to_path_buf());
        }
        Ok(())
    }

    fn parent(&mut self, path: &Path) -> Result<PathBuf, KernelError> {
        self.folder(path.parent().unwrap_or(Path::new("")))?;
        Ok(self.dest.join(path))
    }

    fn file(
        &mut self,
        name: &str,
        path: &Path,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), KernelError> {
        let size = entry.size();
        self.bytes = self.bytes.saturating_add(size);
        if size > FILE_BYTES || self.bytes > ALL_BYTES {
            return Err(refuse(name, "more bytes than a kernel source has"));
        }
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| refuse(name, e))?;
        let full = self.parent(path)?;
        let mode = if executable { 0o755 } else { 0o644 };
        let open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&full);
        let mut file: File = match open {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(refuse(name, "the same path twice"));
            }
            other => other.map_err(|e| KernelError::io(&full, e))?,
        };
        file.write_all(&bytes).map_err(|e| KernelError::io(&full, e))
    }

    fn link(&mut self, name: &str, path: &Path, target: &[u8]) -> Result<(), KernelError> {
        let target = str::from_utf8(target).map_err(|e| refuse(name, e))?;
        let mut depth = path.components().count().saturating_sub(1);
        for part in Path::new(target).components() {
            depth = match part {
                Component::Normal(_) => Some(depth + 1),
                Component::CurDir => Some(depth),
                Component::ParentDir => depth.checked_sub(1),
                _ => None,
            }
            .ok_or_else(|| refuse(name, format!("a link to {target:?}, outside the source")))?;
        }
        let full = self.parent(path)?;
        symlink(target, &full).map_err(|e| KernelError::io(&full, e))?;
        self.links.insert(path.to_path_buf());
        Ok(())
    }
}

/// Whether a file can matter to a guest's kernel. Kconfig reads its files in
/// all folders; other architectures and [`UNUSED`] matter to nothing else.
fn wanted(path: &Path, srcarch: &str) -> bool {
    let is_kconfig = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("Kconfig"));
    let mut parts = path.components();
    let other_arch = parts.next() == Some(Component::Normal("arch".as_ref()))
        && parts.next().is_some_and(|arch| {
            // fs/hostfs includes a make file of arch/um for every architecture.
            ![srcarch, "um"].iter().any(|kept| arch == Component::Normal(kept.as_ref()))
        })
        && parts.next().is_some();
    is_kconfig || !(other_arch || UNUSED.iter().any(|folder| path.starts_with(folder)))
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
