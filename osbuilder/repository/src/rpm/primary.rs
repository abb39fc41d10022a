//! `primary.xml`: all packages of a repository with their dependencies and the
//! more important of their files. Read as a stream, so that memory holds packages
//! and no XML. It knows neither mirrors nor other repositories.

use std::io::Read;

use super::dependencies::{Dependencies, List};
use super::error::IndexError;
use super::repomd::is_plain_path;
use super::rich::canonical;
use super::xml::{Element, Item, walk};
use crate::package::{Comparison, Family, Identity, Package};

/// Most packages, and most dependencies of all packages together. The largest
/// real repositories have some 70,000 and 3 million.
const MAX_PACKAGES: usize = 500_000;
const MAX_ENTRIES: usize = 12_000_000;
/// Longest text that is kept, in bytes.
const MAX_TEXT: usize = 4096;

/// The packages of one repository.
#[derive(Debug, Default)]
pub(super) struct Primary {
    pub packages: Vec<Package>,
    pub files: Files,
    /// Bytes of the unpacked document.
    pub size: u64,
}

/// Paths of files and whose they are, in one piece of memory: there are many.
#[derive(Debug, Default)]
pub(super) struct Files {
    text: String,
    /// End of each path in `text`, and the package.
    ends: Vec<(usize, usize)>,
}

impl Files {
    fn push(&mut self, package: usize, path: &str) {
        self.text.push_str(path);
        self.ends.push((self.text.len(), package));
    }

    /// Forgets the files of packages that are not kept, and numbers the others anew.
    pub fn keep(&mut self, kept: &[bool]) {
        let mut numbers = Vec::with_capacity(kept.len());
        let mut next = 0;
        for &keep in kept {
            numbers.push(keep.then_some(next));
            next += usize::from(keep);
        }
        let mut rest = Self::default();
        for (path, package) in self.iter() {
            if let Some(&Some(number)) = numbers.get(package) {
                rest.push(number, path);
            }
        }
        *self = rest;
    }

    /// Each path with the index of its package.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, package)| {
            let path = &self.text[start..end];
            start = end;
            (path, package)
        })
    }
}

/// Reads a document of at most `limit` bytes; keeps packages of the architecture
/// and of none.
pub(super) fn parse(
    document: impl Read,
    limit: u64,
    architecture: &str,
) -> Result<Primary, IndexError> {
    let mut reader = PrimaryReader { architecture, ..PrimaryReader::default() };
    let size = walk(document, limit, &mut |item| reader.item(item))?;
    Ok(Primary { size, ..reader.primary })
}

#[derive(Default)]
struct PrimaryReader<'a> {
    architecture: &'a str,
    primary: Primary,
    draft: Draft,
    wanted: bool,
    list: Option<List>,
    text: String,
    /// The element whose text is being collected.
    collects: Option<Collected>,
    entries: usize,
}

/// Elements whose text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collected {
    Name,
    Architecture,
    Checksum,
    License,
    Source,
    File,
}

/// A package whose element has not ended.
#[derive(Default)]
struct Draft {
    name: String,
    architecture: String,
    version: Option<String>,
    digest: Option<[u8; 32]>,
    location: String,
    size: Option<u64>,
    installed_size: u64,
    license: String,
    source: String,
    dependencies: Dependencies,
}

impl PrimaryReader<'_> {
    fn item(&mut self, item: Item<'_>) -> Result<(), String> {
        match item {
            Item::Start(1, element) if element.name() != "metadata" => {
                return Err(format!("it begins with <{}>, not <metadata>", element.name()));
            }
            Item::Start(2, element) => {
                self.draft = Draft::default();
                let kind = element.attribute("type")?;
                self.wanted = element.name() == "package" && kind.as_deref() == Some("rpm");
            }
            Item::Start(depth, element) if self.wanted => self.start(depth, &element)?,
            Item::Text(text) if self.collects.is_some() => {
                if self.text.len() + text.len() > MAX_TEXT {
                    return Err(format!("a text of {} is too long", self.draft.name));
                }
                self.text.push_str(text);
            }
            Item::End(3 | 4) => self.end()?,
            Item::End(2) if self.wanted => {
                self.wanted = false;
                let draft = std::mem::take(&mut self.draft);
                self.finish(draft)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), String> {
        match (depth, element.name()) {
            (3, "name") => self.collect(Collected::Name),
            (3, "arch") => self.collect(Collected::Architecture),
            (4, "license") => self.collect(Collected::License),
            (4, "sourcerpm") => self.collect(Collected::Source),
            (4, "file") if self.is_mine() => self.collect(Collected::File),
            (3, "checksum") => {
                let kind = element.attribute("type")?.unwrap_or_default();
                if kind != "sha256" {
                    return Err(format!(
                        "the digest of {} is of the kind `{}`; only sha256 is accepted",
                        self.draft.name,
                        kind.escape_debug()
                    ));
                }
                self.collect(Collected::Checksum);
            }
            (3, "version") => {
                let (mut epoch, mut version, mut release) =
                    (String::new(), String::new(), String::new());
                element.attributes(|key, value| match key {
                    "epoch" => value.clone_into(&mut epoch),
                    "ver" => value.clone_into(&mut version),
                    "rel" => value.clone_into(&mut release),
                    _ => {}
                })?;
                self.draft.version = Some(joined(&epoch, &version, &release));
            }
            (3, "size") => {
                let (mut size, mut installed) = (None, None);
                element.attributes(|key, value| match key {
                    "package" => size = value.parse().ok(),
                    "installed" => installed = value.parse().ok(),
                    _ => {}
                })?;
                self.draft.size = size;
                self.draft.installed_size = installed.unwrap_or(0);
            }
            (3, "location") => {
                let (mut path, mut based) = (String::new(), false);
                element.attributes(|key, value| match key {
                    "href" => value.clone_into(&mut path),
                    "base" => based = !value.is_empty(),
                    _ => {}
                })?;
                if based || !is_plain_path(&path) {
                    return Err(format!(
                        "the location of {} is not below its repository",
                        self.draft.name
                    ));
                }
                self.draft.location = path;
            }
            (4, name) => {
                self.list = match name {
                    "provides" => Some(List::Provides),
                    "requires" => Some(List::Requires),
                    "conflicts" => Some(List::Conflicts),
                    "obsoletes" => Some(List::Obsoletes),
                    _ => None,
                };
            }
            (5, "entry") if self.is_mine() => {
                if let Some(list) = self.list {
                    self.entry(list, element)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn entry(&mut self, list: List, element: &Element<'_>) -> Result<(), String> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err("its packages have more dependencies than any real ones".to_owned());
        }
        let (mut name, mut epoch, mut version, mut release) =
            (String::new(), String::new(), String::new(), String::new());
        let mut flags = String::new();
        element.attributes(|key, value| match key {
            "name" => value.clone_into(&mut name),
            "flags" => value.clone_into(&mut flags),
            "epoch" => value.clone_into(&mut epoch),
            "ver" => value.clone_into(&mut version),
            "rel" => value.clone_into(&mut release),
            _ => {}
        })?;
        let op = match flags.as_str() {
            "" => None,
            "EQ" => Some(Comparison::Equal),
            "LT" => Some(Comparison::Less),
            "LE" => Some(Comparison::LessEqual),
            "GT" => Some(Comparison::Greater),
            "GE" => Some(Comparison::GreaterEqual),
            other => return Err(format!("`{}` is no comparison", other.escape_debug())),
        };
        let constraint = op.filter(|_| !version.is_empty());
        let constraint = constraint.map(|op| (op, joined(&epoch, &version, &release)));
        let added = self.draft.dependencies.add(list, &name, constraint);
        added.map_err(|reason| format!("of {}: {reason}", self.draft.name))
    }

    fn collect(&mut self, what: Collected) {
        self.text.clear();
        self.collects = Some(what);
    }

    /// Whether the package is one that is kept; its architecture comes early.
    fn is_mine(&self) -> bool {
        self.draft.architecture == self.architecture || self.draft.architecture == "noarch"
    }

    /// An element of a package, or of its format, has ended.
    fn end(&mut self) -> Result<(), String> {
        let draft = &mut self.draft;
        match self.collects.take() {
            None => self.list = None,
            Some(Collected::Name) => self.text.clone_into(&mut draft.name),
            Some(Collected::Architecture) => self.text.clone_into(&mut draft.architecture),
            Some(Collected::License) => self.text.clone_into(&mut draft.license),
            Some(Collected::Source) => self.text.clone_into(&mut draft.source),
            Some(Collected::Checksum) => {
                let mut digest = [0; 32];
                hex::decode_to_slice(self.text.trim(), &mut digest)
                    .map_err(|_| format!("the digest of {} is no SHA-256", draft.name))?;
                draft.digest = Some(digest);
            }
            Some(Collected::File) => {
                self.primary.files.push(self.primary.packages.len(), &self.text);
            }
        }
        Ok(())
    }

    fn finish(&mut self, draft: Draft) -> Result<(), String> {
        let fine = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        if !fine(&draft.name) || draft.name.contains('/') {
            return Err(format!("`{}` is no name of a package", draft.name.escape_debug()));
        }
        if draft.architecture != self.architecture && draft.architecture != "noarch" {
            return Ok(());
        }
        let lacks = |what: &str| format!("{} has no {what}", draft.name);
        let version = draft.version.clone().filter(|version| fine(version));
        let version = version.ok_or_else(|| lacks("version"))?;
        let digest = draft.digest.ok_or_else(|| lacks("digest"))?;
        let size = draft.size.ok_or_else(|| lacks("size"))?;
        if draft.location.is_empty() {
            return Err(lacks("location"));
        }
        if self.primary.packages.len() == MAX_PACKAGES {
            return Err("it has more than 500000 packages".to_owned());
        }
        let source = source_name(&draft.source).unwrap_or(&draft.name).to_owned();
        let dependencies = draft.dependencies.without_repetition();
        self.primary.packages.push(Package {
            family: Family::Rpm,
            name: draft.name,
            version,
            architecture: draft.architecture,
            provides: dependencies.provides,
            depends: dependencies.depends,
            conflicts: dependencies.conflicts,
            replaces: dependencies.obsoletes,
            rich: dependencies.rich,
            location: draft.location,
            size,
            installed_size: draft.installed_size,
            identity: Identity::Sha256(digest),
            source,
            license: Some(draft.license).filter(|license| !license.is_empty()),
        });
        Ok(())
    }
}

/// `bash` of `bash-5.2.37-1.fc42.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, _release) = stem.rsplit_once('-')?;
    let (name, _version) = rest.rsplit_once('-')?;
    (!name.is_empty()).then_some(name)
}

fn joined(epoch: &str, version: &str, release: &str) -> String {
    let epoch = if epoch.is_empty() { "0" } else { epoch };
    let dash = if release.is_empty() { "" } else { "-" };
    canonical(&format!("{epoch}:{version}{dash}{release}"))
}
