//! The record of a finished kernel: its inputs, its files and their digests.
//! It answers one question before any work: are these very files there already?

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::KernelError;
use crate::key::{Inputs, Plan};
use crate::spec::version_matches;

/// Largest manifest that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// A finished kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) version: String,
    pub(crate) key: String,
    /// What was asked for as a source.
    pub(crate) source: String,
    pub(crate) inputs: Inputs,
    pub(crate) requested_options: usize,
    pub(crate) built_in_options: usize,
    /// Name, digest and size of each file.
    pub(crate) files: BTreeMap<String, Output>,
}

/// One file of a finished kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// The names of a kernel's files.
pub(crate) struct Names {
    pub(crate) vmlinuz: String,
    pub(crate) vmlinux: String,
    pub(crate) config: String,
    pub(crate) manifest: String,
}

impl Names {
    pub(crate) fn new(version: &str, flavour: &str) -> Self {
        let release = format!("{version}-{flavour}");
        Self {
            vmlinuz: format!("vmlinuz-{release}"),
            vmlinux: format!("vmlinux-{release}"),
            config: format!("config-{release}"),
            manifest: format!("kernel-{release}.manifest.json"),
        }
    }
}

/// The newest finished kernel in `out_dir` that these inputs would give again,
/// with all its files unchanged. A folder or file that cannot be read is as
/// good as none: the build then says what is wrong, if it still is.
pub(crate) fn finished(out_dir: &Path, plan: &Plan) -> Option<Manifest> {
    let suffix = format!("-{}.manifest.json", plan.spec.flavour);
    let mut found: Vec<Manifest> = fs::read_dir(out_dir)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("kernel-") && name.ends_with(&suffix))
        .filter_map(|name| read(&out_dir.join(name)))
        .filter(|manifest| {
            manifest.source == plan.source_name()
                && version_matches(&plan.spec.version, &manifest.version)
        })
        .collect();
    found.sort_by_key(|manifest| numbers(&manifest.version));
    found.into_iter().rev().find(|manifest| {
        let inputs = plan.inputs(&manifest.inputs.source_sha256);
        is_intact(out_dir, manifest, &inputs)
    })
}

/// Whether a manifest speaks of these inputs, and its files are what it says.
pub(crate) fn is_intact(out_dir: &Path, manifest: &Manifest, inputs: &Inputs) -> bool {
    let names = Names::new(&manifest.version, &inputs.flavour);
    manifest.inputs == *inputs
        && manifest.key == inputs.key()
        && manifest.files.keys().eq([&names.config, &names.vmlinux, &names.vmlinuz])
        && manifest
            .files
            .iter()
            .all(|(name, output)| digest(&out_dir.join(name)).is_ok_and(|found| found == *output))
}

pub(crate) fn read(path: &Path) -> Option<Manifest> {
    let size = path.metadata().ok()?.len();
    (size <= LIMIT).then(|| fs::read(path).ok())?.and_then(|b| serde_json::from_slice(&b).ok())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

pub(crate) fn digest(path: &Path) -> io::Result<Output> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(Output { sha256: hex::encode(digest.finalize()), bytes });
        }
        digest.update(&buffer[..n]);
        bytes += u64::try_from(n).unwrap_or(u64::MAX);
    }
}

/// Puts finished files into `out_dir`, the manifest last: whoever finds it
/// finds all others complete. An old manifest goes first, so that it never
/// speaks of new files.
pub(crate) fn publish(
    out_dir: &Path,
    files: &[(&Path, &str)],
    manifest_name: &str,
    mut manifest: Manifest,
) -> Result<Manifest, KernelError> {
    fs::create_dir_all(out_dir).map_err(|e| KernelError::io(out_dir, e))?;
    let mut ready = Vec::new();
    for (from, name) in files {
        let partial = out_dir.join(format!(".{name}.partial"));
        fs::copy(from, &partial).map_err(|e| KernelError::io(&partial, e))?;
        let output = digest(&partial).map_err(|e| KernelError::io(&partial, e))?;
        set_mode(&partial)?;
        manifest.files.insert((*name).to_owned(), output);
        ready.push((partial, out_dir.join(name)));
    }
    let path = out_dir.join(manifest_name);
    let partial = out_dir.join(format!(".{manifest_name}.partial"));
    let mut text =
        serde_json::to_vec_pretty(&manifest).map_err(|e| KernelError::io(&path, e.into()))?;
    text.push(b'\n');
    fs::write(&partial, text).map_err(|e| KernelError::io(&partial, e))?;
    set_mode(&partial)?;
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(KernelError::io(&path, e)),
        _ => {}
    }
    ready.push((partial, path));
    for (from, to) in &ready {
        fs::rename(from, to).map_err(|e| KernelError::io(to, e))?;
    }
    Ok(manifest)
}

/// The same mode whatever the user's mask is.
fn set_mode(path: &PathBuf) -> Result<(), KernelError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .map_err(|e| KernelError::io(path, e))
}
