//! Everything a build is told, part by part and as one digest: a build with
//! nothing new to do is recognised, no cache can answer for other inputs, and
//! what changed since the last build can be named.
//!
//! Only what reaches the artifact counts: a template that another PID 1 or
//! variant uses is no input, nor is a comment in the recipe.

use crate::build::{Agent, BuildRequest};
use crate::folder::RecipeFolder;
use crate::manifest::PackageRecord;
use recipe::{Selection, TextSource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Raised whenever the same inputs give other bytes than before.
pub(crate) const BUILDER_FORMAT: u32 = 2;

/// The inputs of one build: what a person would call each, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// Of a build whose packages have the digest `packages`. Mirrors and their
    /// keys are no part of it: whichever served a package, its digest is in the
    /// lock.
    pub(crate) fn of(
        folder: &RecipeFolder,
        selection: &Selection,
        packages: &str,
        request: &BuildRequest<'_>,
    ) -> Self {
        let asked = json!({"verity": request.verity});
        Self::told(folder, selection, packages, request.agent, &asked)
    }

    /// Of an extension, which has no agent and no form to choose.
    pub(crate) fn of_extension(
        folder: &RecipeFolder,
        selection: &Selection,
        packages: &str,
    ) -> Self {
        let asked = json!({"extension": true});
        Self::told(folder, selection, packages, &Agent::default(), &asked)
    }

    fn told(
        folder: &RecipeFolder,
        selection: &Selection,
        packages: &str,
        agent_of: &Agent,
        asked: &Value,
    ) -> Self {
        let mut parts = BTreeMap::from([
            (
                "osbuilder itself".to_owned(),
                sha(format!(
                    "{BUILDER_FORMAT} {} {}",
                    env!("CARGO_PKG_VERSION"),
                    env!("OSBUILDER_SOURCES")
                )),
            ),
            ("the packages".to_owned(), packages.to_owned()),
            ("the agent".to_owned(), sha(json!(agent(agent_of)).to_string())),
            ("the settings".to_owned(), sha(settings(folder, selection).to_string())),
            ("the request".to_owned(), sha(asked.to_string())),
        ]);
        for (part, value) in layer(selection) {
            parts.insert(format!("`{part}` of the recipe"), sha(value.to_string()));
        }
        for (name, text) in files(folder, selection) {
            parts.insert(folder.place_of(name), sha(text));
        }
        Self(parts)
    }

    /// One digest over all of them, hexadecimal.
    pub(crate) fn digest(&self) -> String {
        sha(json!(self.0).to_string())
    }

    /// What is not as in `before`, by name.
    pub(crate) fn changed_since<'a>(&'a self, before: &'a Self) -> Vec<&'a str> {
        let names = self.0.keys().chain(before.0.keys().filter(|name| !self.0.contains_key(*name)));
        let changed = names.filter(|name| self.0.get(*name) != before.0.get(*name));
        changed.map(String::as_str).collect()
    }
}

/// What an artifact is made of, wherever that came from: filesystem identifiers
/// derive from it, so it must not know mirrors, keys or folders.
pub(crate) fn identity(
    folder: &RecipeFolder,
    selection: &Selection,
    packages: &[PackageRecord],
    agent: &Agent,
) -> [u8; 32] {
    let files: BTreeMap<_, _> =
        files(folder, selection).map(|(name, text)| (name, sha(text))).collect();
    let packages: Vec<_> = packages.iter().map(|p| [&p.name, &p.version, &p.identity]).collect();
    let document = json!({
        "format": BUILDER_FORMAT,
        "settings": settings(folder, selection),
        "files": files,
        "selection": selection,
        "packages": packages,
        "agent": hex::encode(agent.sha256),
    });
    Sha256::digest(document.to_string()).into()
}

/// The templates and copied files that this selection uses.
fn files<'a>(
    folder: &'a RecipeFolder,
    selection: &'a Selection,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    selection.layer.files.iter().filter_map(|file| match file.source() {
        Some(TextSource::Template(name) | TextSource::Copy(name)) => {
            Some((name, folder.files.get(name)?.as_str()))
        }
        _ => None,
    })
}

/// What the recipe says besides its layers.
fn settings(folder: &RecipeFolder, selection: &Selection) -> Value {
    let recipe = &folder.recipe;
    json!({
        "name": recipe.name,
        "version": recipe.version,
        "source-date-epoch": recipe.source_date_epoch,
        "aliases": recipe.aliases,
        "form": selection.form,
        "architecture": selection.architecture,
    })
}

/// Every key of the selection, with what it says.
fn layer(selection: &Selection) -> Vec<(String, Value)> {
    let Value::Object(mut whole) = json!(selection) else { return Vec::new() };
    let layer = whole.remove("layer");
    // Among the settings already.
    whole.remove("form");
    let mut parts: Vec<_> = whole.into_iter().collect();
    if let Some(Value::Object(layer)) = layer {
        parts.extend(layer);
    }
    parts
}

fn agent(agent: &Agent) -> [String; 2] {
    [agent.version.clone(), hex::encode(agent.sha256)]
}

fn sha(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}
