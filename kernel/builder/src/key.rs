//! All inputs of a build, read and checked once, and the key that they make.
//!
//! Whatever can change a byte of the kernel is in the key: a cached answer can
//! be wrong only if SHA-256 is. No path, user or time of the machine is in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::KernelError;
use crate::fragment::{self, Requested};
use crate::spec::{KernelSpec, Source, is_plain_word};
use crate::{extract, tools};

/// Bumped when the builder itself changes what comes out of the same inputs.
const FORMAT: u32 = 1;

/// What decides the bytes of a kernel, as the manifest keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Inputs {
    pub(crate) builder_format: u32,
    pub(crate) unpack_rules: u32,
    pub(crate) source_sha256: String,
    pub(crate) architecture: String,
    pub(crate) flavour: String,
    pub(crate) source_date_epoch: i64,
    /// File and digest of each fragment, in the order of reading.
    pub(crate) fragments: Vec<(String, String)>,
    pub(crate) patches: Vec<(String, String)>,
    pub(crate) tools: BTreeMap<String, String>,
}

impl Inputs {
    pub(crate) fn key(&self) -> String {
        // A struct of plain values with sorted maps has one JSON form only.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }
}

/// A checked specification with the contents of all its files.
pub(crate) struct Plan {
    pub(crate) spec: KernelSpec,
    pub(crate) requested: Vec<Requested>,
    pub(crate) patches: Vec<(String, Vec<u8>)>,
    /// The search path of all programs that are started.
    pub(crate) path: OsString,
    fragments: Vec<(String, Vec<u8>)>,
    tools: BTreeMap<String, String>,
}

impl Plan {
    /// Checks what can be checked without the source, tools first.
    pub(crate) fn new(spec: &KernelSpec, path: OsString) -> Result<Self, KernelError> {
        // Without a cross compiler a kernel can only be built for its own kind.
        if spec.architecture != "x86_64" || std::env::consts::ARCH != "x86_64" {
            return Err(KernelError::Architecture { architecture: spec.architecture.clone() });
        }
        if !is_plain_word(&spec.flavour) {
            return Err(KernelError::Flavour { flavour: spec.flavour.clone() });
        }
        let missing = tools::missing(&spec.architecture, !spec.patches.is_empty(), &path);
        if !missing.is_empty() {
            return Err(KernelError::MissingTools { tools: missing });
        }
        let fragments = read_all(&spec.fragments)?;
        let requested = requested(&fragments)?;
        let patches = read_all(&spec.patches)?;
        let tools = tools::versions(&path).map_err(|e| KernelError::io(Path::new("gcc"), e))?;
        Ok(Self { spec: spec.clone(), requested, patches, path, fragments, tools })
    }

    /// The folder of the architecture in the source.
    pub(crate) fn srcarch(&self) -> &'static str {
        "x86"
    }

    /// The inputs, with the source that was found.
    pub(crate) fn inputs(&self, source_sha256: &str) -> Inputs {
        Inputs {
            builder_format: FORMAT,
            unpack_rules: extract::RULES,
            source_sha256: source_sha256.to_owned(),
            architecture: self.spec.architecture.clone(),
            flavour: self.spec.flavour.clone(),
            source_date_epoch: self.spec.source_date_epoch,
            fragments: digests(&self.fragments),
            patches: digests(&self.patches),
            tools: self.tools.clone(),
        }
    }

    /// What was asked for as a source, apart from the bytes it turned out to
    /// be: as long as this is the same, a finished build need not ask again.
    pub(crate) fn source_name(&self) -> String {
        match &self.spec.source {
            Source::Tarball { sha256, .. } => format!("tarball sha256:{}", hex::encode(sha256)),
            Source::DebSource { deb, package } => {
                let components = deb.components.join(" ");
                format!("deb {} {components} {} {package}", deb.suite, deb.architecture)
            }
        }
    }

    /// The fragments as one file for Kconfig, with the builder's own lines.
    pub(crate) fn merged(&self) -> String {
        let mut text = String::new();
        for line in self.requested.iter().chain(&self.release()) {
            text.push_str(&format!("{line}\n"));
        }
        text
    }

    /// The lines that belong to the builder: the release is the version and
    /// the flavour, and never the state of some git checkout around the tree.
    pub(crate) fn release(&self) -> Vec<Requested> {
        let value = fragment::Setting::Value(format!("\"-{}\"", self.spec.flavour));
        [("LOCALVERSION", value), ("LOCALVERSION_AUTO", fragment::Setting::No)]
            .into_iter()
            .map(|(symbol, setting)| Requested {
                symbol: symbol.to_owned(),
                setting,
                place: fragment::Place { file: "the flavour".to_owned(), line: 1 },
            })
            .collect()
    }
}

fn requested(fragments: &[(String, Vec<u8>)]) -> Result<Vec<Requested>, KernelError> {
    let mut parsed = Vec::new();
    let mut problems = Vec::new();
    for (name, bytes) in fragments {
        match fragment::parse(name, bytes) {
            Ok(fragment) => parsed.push(fragment),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(KernelError::Fragments { problems });
    }
    fragment::merge(&parsed).map_err(|problems| KernelError::Fragments { problems })
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, KernelError> {
    paths
        .iter()
        .map(|path| {
            let bytes = fs::read(path).map_err(|e| KernelError::io(path, e))?;
            Ok((short_name(path), bytes))
        })
        .collect()
}

/// The last folder and the name: enough for people, the same in any checkout.
fn short_name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

fn digests(files: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    files.iter().map(|(name, bytes)| (name.clone(), hex::encode(Sha256::digest(bytes)))).collect()
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
