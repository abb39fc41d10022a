//! The whole way from a specification to a kernel's files, or to the answer
//! that they are there already.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use artifact_store::{Event, Progress, Store};

use crate::configure::{WorkDir, search_path};
use crate::error::KernelError;
use crate::key::Plan;
use crate::make::Make;
use crate::manifest::{self, Manifest, Names};
use crate::proof::Proof;
use crate::source;
use crate::spec::{BuildOptions, KernelSpec};

/// A kernel's files.
#[derive(Debug, Clone)]
pub struct Built {
    /// The compressed boot image.
    pub vmlinuz: PathBuf,
    /// The ELF file, for hypervisors that start it directly.
    pub vmlinux: PathBuf,
    /// The proven configuration.
    pub config: PathBuf,
    /// The record of inputs, files and digests.
    pub manifest: PathBuf,
    /// Says that every requested line is in the configuration.
    pub proof: Proof,
    /// Linux's version, without the flavour.
    pub version: String,
    /// Whether all of it was there before.
    pub cached: bool,
    /// The digest of all inputs, in hexadecimal.
    pub key: String,
}

/// Builds a kernel, unless its files are there already.
///
/// # Errors
/// As [`configure`](crate::configure); [`KernelError::Command`] where the
/// compiler fails. No file gets its name before all are complete.
pub fn build(
    spec: &KernelSpec,
    store: &Store,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Built, KernelError> {
    build_with(spec, store, options, progress, search_path())
}

/// The same with a given search path for programs.
fn build_with(
    spec: &KernelSpec,
    store: &Store,
    options: &BuildOptions,
    progress: &dyn Progress,
    path: OsString,
) -> Result<Built, KernelError> {
    let plan = Plan::new(spec, path)?;
    if !options.update
        && let Some(found) = manifest::finished(&options.out_dir, &plan)
    {
        return Ok(built(options, found, true));
    }
    let resolved = source::resolve(&spec.source, store, progress)?;
    let inputs = plan.inputs(&resolved.sha256);
    let work = WorkDir::lock(&options.work_dir)?;
    // Another build may have finished while this one waited, and an update may
    // have found nothing newer.
    if let Some(found) = manifest::finished(&options.out_dir, &plan).filter(|m| m.inputs == inputs)
    {
        return Ok(built(options, found, true));
    }
    let ready = work.configure(&plan, &inputs, &resolved, store, progress)?;
    let before = fs::read(&ready.config).map_err(|e| KernelError::io(&ready.config, e))?;
    let label = format!("compile linux {}", ready.version);
    progress.event(Event::Started { label: &label, total: None });
    let log = work.log();
    let make = Make { plan: &plan, tree: &ready.tree, objects: &ready.objects, log: &log };
    make.run("compiling the kernel", "bzImage", options.jobs, &[])?;
    let after = fs::read(&ready.config).map_err(|e| KernelError::io(&ready.config, e))?;
    if after != before {
        return Err(KernelError::ConfigChanged { path: ready.config });
    }
    let names = Names::new(&ready.version, &spec.flavour);
    let image = ready.objects.join("arch/x86/boot/bzImage");
    let elf = ready.objects.join("vmlinux");
    let record = Manifest {
        version: ready.version.clone(),
        key: inputs.key(),
        source: plan.source_name(),
        inputs,
        requested_options: ready.proof.requested,
        built_in_options: ready.proof.built_in,
        files: BTreeMap::new(),
    };
    let files = [
        (image.as_path(), names.vmlinuz.as_str()),
        (elf.as_path(), names.vmlinux.as_str()),
        (ready.config.as_path(), names.config.as_str()),
    ];
    let record = manifest::publish(&options.out_dir, &files, &names.manifest, record)?;
    if !options.keep_tree {
        source::remove(&ready.objects)?;
    }
    progress.event(Event::Finished { label: &label, cached: false });
    Ok(built(options, record, false))
}

fn built(options: &BuildOptions, manifest: Manifest, cached: bool) -> Built {
    let names = Names::new(&manifest.version, &manifest.inputs.flavour);
    Built {
        vmlinuz: options.out_dir.join(names.vmlinuz),
        vmlinux: options.out_dir.join(names.vmlinux),
        config: options.out_dir.join(names.config),
        manifest: options.out_dir.join(names.manifest),
        proof: Proof { requested: manifest.requested_options, built_in: manifest.built_in_options },
        version: manifest.version,
        cached,
        key: manifest.key,
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
