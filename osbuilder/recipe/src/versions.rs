//! `versions.yaml`: which version of everything outside this repository is
//! used, where it comes from, and the digest of what is fetched as one file.

use crate::problem::{Problem, nearest};
use crate::yaml::{at, parse};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Something used as the host has it or as a package manager installs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// What it is for.
    pub description: String,
    /// Project page.
    pub url: String,
    /// Version in use; the least one where it comes with the host.
    pub version: String,
}

/// Something fetched as one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FetchedFile {
    /// What it is for.
    pub description: String,
    /// Project page or the file itself.
    pub url: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// A distro that guests are built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Distro {
    /// Project page.
    pub url: String,
    /// Release that the recipe builds.
    pub version: String,
}

/// The guest kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kernel {
    /// What it is for.
    pub description: String,
    /// Project page.
    pub url: String,
    /// Long-term series (`6.12`).
    pub version: String,
    /// No timestamp in the kernel is later; seconds since 1970.
    pub source_date_epoch: i64,
    /// Where the source comes from.
    pub source: KernelSource,
}

/// Where kernel source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelSource {
    /// A source package of an apt repository, described by a recipe's
    /// repository and verified with its keys.
    Apt(AptKernelSource),
    /// A tarball, verified by its digest.
    Tarball(TarballKernelSource),
}

/// A kernel source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptKernelSource {
    /// The distro whose recipe names repository and keys.
    pub distro: String,
    /// The package (`linux-source-6.12`).
    pub package: String,
}

/// A kernel source tarball.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TarballKernelSource {
    /// Where it is; several are tried in order.
    pub urls: Vec<String>,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    default_image_name: Spanned<String>,
    default_initrd_name: Spanned<String>,
    kernel: Spanned<Kernel>,
    distros: BTreeMap<String, Distro>,
    hypervisors: BTreeMap<String, Component>,
    tools: BTreeMap<String, Component>,
    languages: BTreeMap<String, Component>,
    files: BTreeMap<String, Spanned<FetchedFile>>,
}

/// The checked versions database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Versions {
    /// Distro of the image that is built when nobody names one.
    pub default_image_name: String,
    /// Distro of the initrd that is built when nobody names one.
    pub default_initrd_name: String,
    /// The guest kernel.
    pub kernel: Kernel,
    /// Distros with a recipe.
    pub distros: BTreeMap<String, Distro>,
    /// Virtual machine monitors.
    pub hypervisors: BTreeMap<String, Component>,
    /// Host programs that take part.
    pub tools: BTreeMap<String, Component>,
    /// Compilers.
    pub languages: BTreeMap<String, Component>,
    /// Files fetched whole.
    pub files: BTreeMap<String, FetchedFile>,
}

impl Versions {
    /// Parses and checks `text`, the content of `file`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        let raw: Raw = parse(file, text)?;
        for name in [&raw.default_image_name, &raw.default_initrd_name] {
            if !raw.distros.contains_key(&name.value) {
                let message = format!("`{}` is not one of `distros`", name.value);
                return Err(unknown(at(file, text, name.referenced, message), &name.value, &raw));
            }
        }
        match &raw.kernel.value.source {
            KernelSource::Apt(source) if !raw.distros.contains_key(&source.distro) => {
                let message = format!("`{}` is not one of `distros`", source.distro);
                let problem = at(file, text, raw.kernel.referenced, message);
                return Err(unknown(problem, &source.distro, &raw));
            }
            KernelSource::Tarball(source) if !is_sha256(&source.sha256) => {
                return Err(at(file, text, raw.kernel.referenced, NOT_SHA256));
            }
            _ => {}
        }
        for file_entry in raw.files.values() {
            if !is_sha256(&file_entry.value.sha256) {
                return Err(at(file, text, file_entry.referenced, NOT_SHA256));
            }
        }
        Ok(Self {
            default_image_name: raw.default_image_name.value,
            default_initrd_name: raw.default_initrd_name.value,
            kernel: raw.kernel.value,
            distros: raw.distros,
            hypervisors: raw.hypervisors,
            tools: raw.tools,
            languages: raw.languages,
            files: raw.files.into_iter().map(|(k, v)| (k, v.value)).collect(),
        })
    }
}

const NOT_SHA256: &str = "`sha256` must be 64 lower-case hexadecimal digits";

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn unknown(problem: Problem, word: &str, raw: &Raw) -> Problem {
    match nearest(word, raw.distros.keys().map(String::as_str)) {
        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
        None => problem,
    }
}
