//! From fragments to a proven `.config`: the kernel's own Kconfig does the
//! deciding, the proof checks that nothing asked for was dropped.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use artifact_store::{Event, Progress, Store};

use crate::dotconfig::DotConfig;
use crate::error::KernelError;
use crate::kconfig::Kconfig;
use crate::key::{Inputs, Plan};
use crate::make::{Make, absolute};
use crate::proof::{Proof, prove};
use crate::source::{self, Resolved};
use crate::spec::{BuildOptions, KernelSpec, version_matches};

/// A tree that is ready to be compiled.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The proven configuration.
    pub config: PathBuf,
    /// The source.
    pub tree: PathBuf,
    /// The folder for objects, with the configuration in it.
    pub objects: PathBuf,
    /// Linux's version, from the source.
    pub version: String,
    /// Says that every requested line is in the configuration.
    pub proof: Proof,
}

/// Unpacks the source, makes its configuration and proves it.
///
/// # Errors
/// [`KernelError::MissingTools`] first, then the fragments' errors, then the
/// source's; [`KernelError::Lost`] where a requested line did not survive.
pub fn configure(
    spec: &KernelSpec,
    store: &Store,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Configured, KernelError> {
    let plan = Plan::new(spec, search_path())?;
    let resolved = source::resolve(&spec.source, store, progress)?;
    let inputs = plan.inputs(&resolved.sha256);
    let work = WorkDir::lock(&options.work_dir)?;
    work.configure(&plan, &inputs, &resolved, store, progress)
}

pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The working folder, held by one build at a time.
pub(crate) struct WorkDir {
    path: PathBuf,
    /// Locked as long as it is open, by the system: a killed build frees it.
    _lock: fs::File,
}

impl WorkDir {
    pub(crate) fn lock(path: &Path) -> Result<Self, KernelError> {
        let whole = std::path::absolute(path).map_err(|e| KernelError::io(path, e))?;
        if whole.to_string_lossy().contains(|c: char| c.is_whitespace() || c == ':') {
            return Err(KernelError::Folder { folder: whole });
        }
        fs::create_dir_all(path).map_err(|e| KernelError::io(path, e))?;
        let path = absolute(path)?;
        let name = path.join("lock");
        let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let lock = open.and_then(|file| file.lock().map(|()| file));
        Ok(Self { path, _lock: lock.map_err(|e| KernelError::io(&name, e))? })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("build.log")
    }

    /// Makes everything anew but the source tree, which is never written to:
    /// objects of a build that was interrupted cannot be told from good ones.
    pub(crate) fn configure(
        &self,
        plan: &Plan,
        inputs: &Inputs,
        resolved: &Resolved,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<Configured, KernelError> {
        let tree = source::tree(plan, resolved, store, &self.path, progress)?;
        let version = source::version(&tree)?;
        if !version_matches(&plan.spec.version, &version) {
            return Err(KernelError::Version { asked: plan.spec.version.clone(), actual: version });
        }
        let objects = self.path.join("objects").join(&inputs.key()[..24]);
        source::remove(&objects)?;
        fs::create_dir_all(&objects).map_err(|e| KernelError::io(&objects, e))?;
        let label = format!("configure linux {version}");
        progress.event(Event::Started { label: &label, total: None });
        let merged = objects.join("requested.config");
        fs::write(&merged, plan.merged()).map_err(|e| KernelError::io(&merged, e))?;
        let log = self.log();
        let make = Make { plan, tree: &tree, objects: &objects, log: &log };
        make.run("making the configuration", "allnoconfig", 1, &[("KCONFIG_ALLCONFIG", &merged)])?;
        let config = objects.join(".config");
        let text = fs::read_to_string(&config).map_err(|e| KernelError::io(&config, e))?;
        let requested = [&plan.requested[..], &plan.release()].concat();
        let kconfig = || Kconfig::read(&tree, plan.srcarch());
        let proof = prove(&requested, &DotConfig::parse(&text), kconfig)?;
        progress.event(Event::Finished { label: &label, cached: false });
        Ok(Configured { config, tree, objects, version, proof })
    }
}
