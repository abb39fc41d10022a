//! `why WHAT`: from a package or a path of the guest back to the line of the
//! recipe that brought it in.
//!
//! It reads the manifest's reasons and the origins in the list of contents; it
//! must not solve anything anew, so that it tells of the artifact as it is.

use crate::contents::{Contents, Entry, EntryType};
use crate::manifest::{Manifest, PackageRecord};
use recipe::nearest;
use serde::Serialize;

/// As many symbolic links as Linux follows for one path.
const MAX_LINKS: usize = 40;

/// The answer: what was asked, then each reason, the recipe's last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Why {
    /// What was asked for, as the artifact spells it.
    pub what: String,
    /// From the thing to its root cause.
    pub chain: Vec<Step>,
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// A path, a package with its version, or the recipe's noun.
    pub thing: String,
    /// Why it is there.
    pub because: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyError {
    /// Nothing of that name.
    #[error("{artifact} has no {kind} `{what}`{}", did_you_mean(near))]
    Unknown {
        /// File name of the artifact.
        artifact: String,
        /// `package` or `path`.
        kind: &'static str,
        /// What was asked for.
        what: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A path, and no list of contents.
    #[error(
        "{artifact} has no list of contents beside it, so nothing is known of its files; build it again with `cargo xtask build-image --update`"
    )]
    NoContents {
        /// File name of the artifact.
        artifact: String,
    },
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

/// Explains a package (by name), or a path (with a slash at its beginning).
///
/// # Errors
/// When the artifact has nothing of that name.
pub fn why(manifest: &Manifest, contents: Option<&Contents>, what: &str) -> Result<Why, WhyError> {
    let mut chain = Vec::new();
    if what.starts_with('/') {
        let artifact = manifest.artifact.file.clone();
        let contents = contents.ok_or(WhyError::NoContents { artifact })?;
        let package = path(manifest, contents, what, &mut chain)?;
        if let Some(package) = package {
            packages(manifest, &package, &mut chain);
        }
    } else {
        let record = find(manifest, what).ok_or_else(|| WhyError::Unknown {
            artifact: manifest.artifact.file.clone(),
            kind: "package",
            what: what.to_owned(),
            near: near(what, manifest.packages.iter().map(|p| p.name.as_str())),
        })?;
        packages(manifest, &record.name, &mut chain);
    }
    Ok(Why { what: what.to_owned(), chain })
}

fn find<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m PackageRecord> {
    manifest.packages.iter().find(|record| record.name == name)
}

/// Up to three names: the nearest by letters, then those that hold the word.
fn near<'a>(what: &str, names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut found: Vec<String> =
        nearest(what, names.clone()).into_iter().map(str::to_owned).collect();
    let holding = names.filter(|name| what.len() > 2 && name.contains(what)).map(str::to_owned);
    for name in holding {
        if found.len() == 3 {
            break;
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// The way from a path over links to the entry that answers for it; its package.
fn path(
    manifest: &Manifest,
    contents: &Contents,
    what: &str,
    chain: &mut Vec<Step>,
) -> Result<Option<String>, WhyError> {
    let mut wanted = format!("/{}", what.trim_matches('/'));
    for _ in 0..MAX_LINKS {
        if let Some(entry) = contents.entry(&wanted) {
            chain.push(Step { thing: entry.path.clone(), because: reason(entry) });
            return Ok(entry.package().map(str::to_owned));
        }
        // `/bin/sh` where /bin is a link: say so, and look behind it.
        let Some((link, behind)) = through(contents, &wanted) else { break };
        chain.push(Step {
            thing: wanted.clone(),
            because: format!("{} is a link to {}", link.path, link.target.as_deref().unwrap_or("")),
        });
        wanted = behind;
    }
    let name = wanted.rsplit('/').next().unwrap_or_default().to_owned();
    let same = contents.entries.iter().filter(|e| e.path.rsplit('/').next() == Some(&name));
    let mut found: Vec<String> = same.take(3).map(|entry| entry.path.clone()).collect();
    if found.is_empty() {
        found = near(&wanted, contents.entries.iter().map(|entry| entry.path.as_str()));
    }
    let artifact = manifest.artifact.file.clone();
    Err(WhyError::Unknown { artifact, kind: "path", what: what.to_owned(), near: found })
}

/// The nearest parent of `wanted` that is a link, and where the path leads then.
fn through<'c>(contents: &'c Contents, wanted: &str) -> Option<(&'c Entry, String)> {
    let cuts = wanted.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    for cut in cuts {
        let (parent, rest) = wanted.split_at(cut);
        let entry = contents.entry(parent)?;
        if entry.r#type == EntryType::Symlink {
            let target = entry.target.as_deref()?;
            return Some((entry, join(parent, target, rest)));
        }
    }
    None
}

/// `rest` below what a link at `link` points to, without `.` and `..`.
fn join(link: &str, target: &str, rest: &str) -> String {
    let base = if target.starts_with('/') { "" } else { link.rsplit_once('/').map_or("", |p| p.0) };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(target.split('/')).chain(rest.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn reason(entry: &Entry) -> String {
    let link = entry.target.as_ref().map(|target| format!(", a link to {target}"));
    let link = link.unwrap_or_default();
    if let Some(package) = entry.package() {
        format!("the package {package} brought it{link}")
    } else if let Some(noun) = entry.origin.strip_prefix("recipe:") {
        format!("the recipe asks for it ({noun}){link}")
    } else {
        format!("osbuilder puts it into every guest{link}")
    }
}

/// From a package over those that need it to the recipe. Packages may need each
/// other in a circle, so the chain is no longer than there are packages.
fn packages(manifest: &Manifest, name: &str, chain: &mut Vec<Step>) {
    let mut next = find(manifest, name);
    for _ in 0..manifest.packages.len() {
        let Some(record) = next else { return };
        chain.push(Step {
            thing: format!("{} {}", record.name, record.version),
            because: record.because.clone(),
        });
        next = record.needed_by.as_deref().and_then(|name| find(manifest, name));
    }
}

impl Why {
    /// For a terminal: a line a step.
    #[must_use]
    pub fn to_text(&self) -> String {
        let steps = self.chain.iter().enumerate();
        steps
            .map(|(depth, step)| {
                format!("{}{}: {}\n", "  ".repeat(depth.min(20)), step.thing, step.because)
            })
            .collect()
    }
}
